/** Which hosts are asked for an image, and how each is spoken to. Pure. */

import type { RegistryAuth } from './image-store.ts';
import type { ImageReference } from './reference.ts';

/** What an operator says about one registry host (`docker.io`, `registry.lan:5000`). */
export interface RegistryHost {
  /** Hosts asked first, in this order, under the same repository; `host[:port][/prefix]`. They never see credentials. */
  readonly mirrors?: readonly string[];
  /** Plain HTTP and certificates of anybody are accepted. Default: only for the machine itself (localhost, 127.0.0.0/8, ::1). */
  readonly insecure?: boolean;
  /** Folder with `*.crt` of further authorities, `*.cert` and `*.key` of ours. */
  readonly certificateDirectory?: string;
}

/** By host, as written in full image names. */
export type RegistriesConfig = Readonly<Record<string, RegistryHost>>;

/** One place to ask. */
export interface Endpoint {
  /** `host[:port]/repository`, without tag and digest. */
  readonly repository: string;
  readonly insecure: boolean;
  readonly certificateDirectory?: string;
  /** The credentials to try in this order; `undefined` is none. */
  readonly credentials: readonly (RegistryAuth | undefined)[];
}

/** Where to ask for an image, in order: the mirrors, then the registry that its name says. */
export function endpointsFor(
  reference: ImageReference,
  options: { readonly registries: RegistriesConfig; readonly auth: readonly RegistryAuth[] },
): Endpoint[] {
  const hosts = options.registries;
  const own = Object.hasOwn(hosts, reference.registry) ? hosts[reference.registry] : undefined;
  const endpoint = (place: string, credentials: Endpoint['credentials']): Endpoint => {
    const host = place.split('/')[0] ?? place;
    const config = Object.hasOwn(hosts, host) ? hosts[host] : undefined;
    return {
      repository: `${place}/${reference.repository}`,
      insecure: config?.insecure ?? isLoopback(host),
      ...(config?.certificateDirectory === undefined ? {} : { certificateDirectory: config.certificateDirectory }),
      credentials,
    };
  };
  return [
    ...(own?.mirrors ?? []).map((mirror) => endpoint(mirror, [undefined])),
    endpoint(reference.registry, [...options.auth, undefined]),
  ];
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(host);
}

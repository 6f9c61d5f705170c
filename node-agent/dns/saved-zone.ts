/**
 * The zone in a file, for an agent that starts while no server can be reached. One object a line, and how many there are at the end: half
 * a file must not make names look missing. Written piece by piece, so that answering goes on meanwhile.
 */
import { readFileSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import { ZoneData } from './zone-data.ts';

type Line =
  | { readonly version: number }
  | { readonly namespace: string }
  | { readonly service: corev1.Service }
  | { readonly slice: discoveryv1.EndpointSlice }
  | { readonly end: number };

const VERSION = 1;
/** Some milliseconds of work. */
const LINES_AT_ONCE = 200;

/** Writes it; what was there before stays until all is written. Rejects with the system's error. */
export async function saveZone(zone: ZoneData, file: string): Promise<void> {
  const { services, slices, namespaces } = zone.contents();
  const makers: readonly (() => Line)[] = [
    () => ({ version: VERSION }),
    ...namespaces.map((namespace) => () => ({ namespace })),
    ...services.map((service) => () => ({ service: cutService(service) })),
    ...slices.map((slice) => () => ({ slice: cutSlice(slice) })),
  ];
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    for (let start = 0; start < makers.length; start += LINES_AT_ONCE) {
      const lines = makers.slice(start, start + LINES_AT_ONCE).map((make) => `${JSON.stringify(make())}\n`);
      await handle.write(lines.join(''));
    }
    await handle.write(`${JSON.stringify({ end: makers.length })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}

/** Reads it; undefined when there is none that can be used. */
export function readSavedZone(file: string): ZoneData | undefined {
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const zone = new ZoneData(() => false);
    let complete = false;
    for (const [index, text] of lines.entries()) {
      const line = JSON.parse(text) as Line;
      if ('version' in line && line.version !== VERSION) return undefined;
      if ('namespace' in line) zone.putNamespace(line.namespace);
      else if ('service' in line) zone.putService(line.service);
      else if ('slice' in line) zone.putSlice(line.slice);
      else if ('end' in line) complete = line.end === index;
    }
    return complete ? zone : undefined;
  } catch {
    // None yet, or unreadable: then nothing is known until the view has synced.
    return undefined;
  }
}

function cutService({ metadata, spec }: corev1.Service): corev1.Service {
  return {
    metadata: { namespace: metadata?.namespace, name: metadata?.name },
    spec: {
      type: spec?.type,
      clusterIP: spec?.clusterIP,
      clusterIPs: spec?.clusterIPs,
      externalName: spec?.externalName,
      publishNotReadyAddresses: spec?.publishNotReadyAddresses,
      ports: spec?.ports?.map(({ name, port, protocol }) => ({ name, port, protocol })),
    },
  };
}

function cutSlice({ metadata, ports, endpoints }: discoveryv1.EndpointSlice): discoveryv1.EndpointSlice {
  return {
    metadata: { namespace: metadata?.namespace, name: metadata?.name, labels: metadata?.labels },
    ports,
    endpoints: endpoints?.map(({ addresses, conditions, hostname }) => ({ addresses, conditions, hostname })),
  };
}

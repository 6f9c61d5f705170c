import type { apiv1 } from '../../proto/api.ts';

/** `deployment.apps/web`, as writes report it and `-o name` prints it. */
export function slashedName(identity: apiv1.ObjectIdentity, name = identity.name ?? ''): string {
  return `${kindWord(identity)}/${name}`;
}

/** `deployment.apps`: the kind as messages name it. */
export function kindWord(identity: apiv1.ObjectIdentity): string {
  const group = identity.group ?? '';
  return group === '' ? (identity.singular ?? '') : `${identity.singular}.${group}`;
}

/** What is known of an object's identity without asking the server. */
export function localIdentity(manifest: {
  apiVersion: string;
  kind: string;
  name: string | undefined;
}): apiv1.ObjectIdentity {
  const slash = manifest.apiVersion.indexOf('/');
  return {
    group: slash === -1 ? '' : manifest.apiVersion.slice(0, slash),
    kind: manifest.kind,
    singular: manifest.kind.toLowerCase(),
    name: manifest.name,
  };
}

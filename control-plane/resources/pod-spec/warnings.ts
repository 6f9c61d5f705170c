/** What a person should know about a spec that is valid. */
import { parseQuantity } from '../../../lib/quantity.ts';
import { type corev1, joinPath } from '../../../proto/index.ts';

const NANO = 1_000_000_000n;
const BYTES: ReadonlySet<string> = new Set(['memory', 'ephemeral-storage']);

/** Lines of warning about the spec at `path`. */
export function podSpecWarnings(spec: corev1.PodSpec | undefined, path: string): string[] {
  const containers = [
    ...(spec?.initContainers ?? []).map((container, i) => [container, `${path}.initContainers[${i}]`] as const),
    ...(spec?.containers ?? []).map((container, i) => [container, `${path}.containers[${i}]`] as const),
  ];
  return containers.flatMap(([container, at]) => [
    ...unlimitedDisk(container.resources?.limits, `${at}.resources.limits`),
    ...hiddenVariables(container.env ?? [], `${at}.env`),
    ...fractionalBytes(container.resources?.requests, `${at}.resources.requests`),
    ...fractionalBytes(container.resources?.limits, `${at}.resources.limits`),
  ]);
}

function hiddenVariables(env: readonly corev1.EnvVar[], path: string): string[] {
  const seen = new Set<string | undefined>();
  return env.flatMap(({ name }, i) => {
    const isHidden = seen.has(name);
    seen.add(name);
    return isHidden ? [`${path}[${i}]: hides an earlier definition of "${name}"`] : [];
  });
}

/** The one amount of a limit that is not enforced: a map's key cannot carry the schema's own mark. */
function unlimitedDisk(limits: Readonly<Record<string, string>> | undefined, path: string): string[] {
  const isLimited = limits?.['ephemeral-storage'] !== undefined;
  return isLimited ? [`${path}.ephemeral-storage is stored but the node does not limit the use of its disk yet`] : [];
}

/** `100m` of memory is a tenth of a byte: nearly always `100M` was meant. */
function fractionalBytes(list: Readonly<Record<string, string>> | undefined, path: string): string[] {
  return Object.entries(list ?? {}).flatMap(([name, text]) => {
    const nano = BYTES.has(name) ? (parseQuantity(text)?.nano ?? 0n) : 0n;
    return nano % NANO === 0n ? [] : [`${joinPath(path, name)}: fractional byte value "${text}", must be an integer`];
  });
}

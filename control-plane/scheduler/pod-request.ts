/** What a pod asks of a node: resources and host ports, in numbers. */
import { quantityMilli, quantityUnits } from '../../lib/quantity.ts';
import type { corev1 } from '../../proto/index.ts';

/** Amounts by resource. CPU in thousandths of a core, everything else in whole units (bytes, counts). */
export type Amounts = ReadonlyMap<string, number>;

/** CPU and memory assumed for containers that ask for none, so that such pods spread, too. */
const DEFAULT_CPU_MILLI = 100;
const DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024;

/** One host port a pod occupies. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** Everything of a pod that a node must have room for. */
export interface PodRequest {
  readonly amounts: Amounts;
  /** CPU and memory with the assumed minimum, for spreading. */
  readonly spreadCpuMilli: number;
  readonly spreadMemoryBytes: number;
  readonly hostPorts: readonly HostPort[];
}

type ResourceMap = Readonly<Record<string, string>> | undefined;

/** The amounts of a resource list of the API. */
export function parseAmounts(resources: ResourceMap): Map<string, number> {
  return new Map(
    Object.entries(resources ?? {}).map(([name, text]) => [
      name,
      name === 'cpu' ? quantityMilli(text) : quantityUnits(text),
    ]),
  );
}

/**
 * The request of a pod: the larger of what its containers ask together and what its init containers need one after the
 * other beside the sidecars started before them; plus overhead. Requests of the whole pod take precedence where given.
 */
export function podRequest(spec: corev1.PodSpec | undefined): PodRequest {
  const amounts = total(spec, (container) => parseAmounts(container.resources?.requests));
  const wholePod = parseAmounts(spec?.resources?.requests);
  for (const [name, amount] of wholePod) amounts.set(name, amount);
  const spread = total(spec, (container) => withAssumed(parseAmounts(container.resources?.requests)));
  const overhead = parseAmounts(spec?.overhead);
  for (const [name, amount] of overhead) {
    amounts.set(name, (amounts.get(name) ?? 0) + amount);
    spread.set(name, (spread.get(name) ?? 0) + amount);
  }
  return {
    amounts,
    spreadCpuMilli: Math.max(amounts.get('cpu') ?? 0, wholePod.has('cpu') ? 0 : (spread.get('cpu') ?? 0)),
    spreadMemoryBytes: Math.max(amounts.get('memory') ?? 0, wholePod.has('memory') ? 0 : (spread.get('memory') ?? 0)),
    hostPorts: hostPorts(spec),
  };
}

function withAssumed(amounts: Map<string, number>): Map<string, number> {
  if (!amounts.has('cpu')) amounts.set('cpu', DEFAULT_CPU_MILLI);
  if (!amounts.has('memory')) amounts.set('memory', DEFAULT_MEMORY_BYTES);
  return amounts;
}

function total(
  spec: corev1.PodSpec | undefined,
  requestOf: (container: corev1.Container) => Map<string, number>,
): Map<string, number> {
  const sum = new Map<string, number>();
  for (const container of spec?.containers ?? []) add(sum, requestOf(container));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of spec?.initContainers ?? []) {
    const request = requestOf(container);
    if (container.restartPolicy === 'Always') {
      add(sum, request);
      add(sidecars, request);
      raise(peak, sidecars);
    } else {
      const needed = new Map(sidecars);
      add(needed, request);
      raise(peak, needed);
    }
  }
  raise(sum, peak);
  return sum;
}

function add(into: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) into.set(name, (into.get(name) ?? 0) + amount);
}

function raise(into: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) into.set(name, Math.max(into.get(name) ?? 0, amount));
}

function hostPorts(spec: corev1.PodSpec | undefined): HostPort[] {
  const sidecars = (spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  return [...(spec?.containers ?? []), ...sidecars].flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort = 0, hostIP = '', protocol = 'TCP' }) =>
      hostPort > 0 ? [{ ip: hostIP === '' ? '0.0.0.0' : hostIP, protocol, port: hostPort }] : [],
    ),
  );
}

/** What a pod asks of a node: resources and host ports, in numbers. */
import { isSidecar, podTotals } from '../../lib/pod-total.ts';
import { quantityMilli, quantityUnits } from '../../lib/quantity.ts';
import type { corev1 } from '../../proto/index.ts';

/** Amounts by resource. CPU in thousandths of a core, everything else in whole units (bytes, counts). */
export type Amounts = ReadonlyMap<string, number>;

/** CPU and memory assumed for containers that ask for none, so that such pods spread, too. */
const DEFAULT_CPU_MILLI = 100;
const DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024;
const NUMBERS = { plus: (a: number, b: number) => a + b, max: (a: number, b: number) => Math.max(a, b) };

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

/** The request of a pod: that of its containers, plus overhead. Requests of the whole pod take precedence where given. */
export function podRequest(spec: corev1.PodSpec | undefined): PodRequest {
  const amounts = podTotals(spec, (container) => parseAmounts(container.resources?.requests), NUMBERS);
  const wholePod = parseAmounts(spec?.resources?.requests);
  for (const [name, amount] of wholePod) amounts.set(name, amount);
  const spread = podTotals(spec, (container) => withAssumed(parseAmounts(container.resources?.requests)), NUMBERS);
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

function hostPorts(spec: corev1.PodSpec | undefined): HostPort[] {
  const sidecars = (spec?.initContainers ?? []).filter(isSidecar);
  return [...(spec?.containers ?? []), ...sidecars].flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort = 0, hostIP = '', protocol = 'TCP' }) =>
      hostPort > 0 ? [{ ip: hostIP === '' ? '0.0.0.0' : hostIP, protocol, port: hostPort }] : [],
    ),
  );
}

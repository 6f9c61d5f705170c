/** A node as the scheduler sees it: what it offers and what the pods on it, bound or reserved, take. */
import type { corev1 } from '../../proto/index.ts';
import { type HostPort, type PodRequest, parseAmounts } from './pod-request.ts';

const ANY_IP: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** See the top of the file. Owned by the ClusterState; plugins only read. */
export class NodeState {
  readonly name: string;
  /** Undefined while the node is not known though pods are bound to it: nothing can be scheduled there. */
  node: corev1.Node | undefined;
  allocatable: ReadonlyMap<string, number> = new Map();
  /** Size in bytes of the images present, by each of their names. */
  images: ReadonlyMap<string, number> = new Map();
  readonly used = new Map<string, number>();
  spreadCpuMilli = 0;
  spreadMemoryBytes = 0;
  podCount = 0;
  /** Grows with every change of anything a plugin looks at. */
  version = 0;
  /** `protocol/port` → ip → count. */
  readonly #ports = new Map<string, Map<string, number>>();

  constructor(name: string) {
    this.name = name;
  }

  /** Takes over the node's object; undefined when it is gone. */
  setNode(node: corev1.Node | undefined): void {
    this.version += 1;
    this.node = node;
    this.allocatable = parseAmounts(node?.status?.allocatable);
    const images = new Map<string, number>();
    for (const { names, sizeBytes } of node?.status?.images ?? []) {
      for (const name of names ?? []) images.set(name, sizeBytes ?? 0);
    }
    this.images = images;
  }

  /** Takes room for a pod. */
  add(request: PodRequest): void {
    this.#change(request, 1);
  }

  /** Gives the room of a pod back. */
  remove(request: PodRequest): void {
    this.#change(request, -1);
  }

  /** Whether a pod on the node holds the port: same protocol and number, and the same address or one of the two is any. */
  holdsPort({ ip, protocol, port }: HostPort): boolean {
    const holders = this.#ports.get(`${protocol}/${port}`);
    if (holders === undefined || holders.size === 0) return false;
    if (ANY_IP.has(ip)) return true;
    return holders.has(ip) || [...ANY_IP].some((any) => holders.has(any));
  }

  #change(request: PodRequest, sign: 1 | -1): void {
    this.version += 1;
    for (const [name, amount] of request.amounts) this.used.set(name, (this.used.get(name) ?? 0) + sign * amount);
    this.spreadCpuMilli += sign * request.spreadCpuMilli;
    this.spreadMemoryBytes += sign * request.spreadMemoryBytes;
    this.podCount += sign;
    for (const { ip, protocol, port } of request.hostPorts) {
      const key = `${protocol}/${port}`;
      const holders = this.#ports.get(key) ?? new Map<string, number>();
      const count = (holders.get(ip) ?? 0) + sign;
      if (count > 0) holders.set(ip, count);
      else holders.delete(ip);
      this.#ports.set(key, holders);
    }
  }
}

/**
 * How fast nodes that are not ready may lose their pods. One node after the other, and the more of a zone is lost at once, the
 * less likely it is that the machines themselves are the cause: then slower.
 *
 * | of the zone's nodes not ready | pace |
 * | --- | --- |
 * | fewer than 55 %, or only one | the first node at once, then one per 10 s |
 * | 55 % or more, and at least two | one per minute |
 * | every node of the cluster | none: the node lifecycle controller does not ask |
 */

/** What a zone's losses mean. */
export type ZoneState = 'normal' | 'disrupted';

/** A node as the brake sees it. */
export interface BrakedNode {
  readonly zone: string;
  readonly ready: boolean;
}

/** The share of a zone's nodes from which on its losses count as one disruption, as in Kubernetes. */
const DISRUPTED_SHARE = 0.55;
const DISRUPTED_AT_LEAST = 2;
/** Milliseconds between two nodes of a zone. */
const PACE_MS: Readonly<Record<ZoneState, number>> = { normal: 10_000, disrupted: 60_000 };

/** The state of a zone, given its nodes. */
export function zoneState(nodes: readonly BrakedNode[]): ZoneState {
  const lost = nodes.filter(({ ready }) => !ready).length;
  return lost >= DISRUPTED_AT_LEAST && lost / nodes.length >= DISRUPTED_SHARE ? 'disrupted' : 'normal';
}

/** Remembers who has been let through. All times in milliseconds of one monotonic clock. */
export class EvictionBrake {
  /** When the last node of a zone was let through. */
  readonly #lastMs = new Map<string, number>();
  readonly #released = new Set<string>();

  /**
   * Milliseconds until the pods of `name` may be evicted; 0 when they may now, which then holds until {@link recovered}. `nodes`
   * are all of the cluster.
   */
  waitMs(name: string, { zone, nodes, nowMs }: { zone: string; nodes: readonly BrakedNode[]; nowMs: number }): number {
    if (this.#released.has(name)) return 0;
    const state = zoneState(nodes.filter((node) => node.zone === zone));
    const lastMs = this.#lastMs.get(zone);
    const leftMs = lastMs === undefined ? 0 : lastMs + PACE_MS[state] - nowMs;
    if (leftMs > 0) return leftMs;
    this.#lastMs.set(zone, nowMs);
    this.#released.add(name);
    return 0;
  }

  /** What an earlier leader let through, or this one before it wrote it down. */
  keepReleased(name: string): void {
    this.#released.add(name);
  }

  /** The node is ready, gone, or no longer to be evicted: it waits in line again next time. */
  recovered(name: string): void {
    this.#released.delete(name);
  }
}

/**
 * What a controller is: a name, a queue of keys, and a reconciler. Event handlers only put keys into the queue; the
 * reconciler reads the caches, lets a pure `plan` decide, and applies what it decided.
 */
import { type AddressPool, NO_POOL } from '../../lib/address-pool.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventSink } from '../../lib/events.ts';
import type { Outcome } from '../../lib/reconcile-loop.ts';
import type { WorkQueue } from '../../lib/work-queue.ts';
import { type AddressRange, DEFAULT_SERVICE_RANGE } from '../api/allocation/address-range.ts';
import type { ServedKinds } from './served-kinds.ts';
import type { SharedInformers } from './shared-informers.ts';

/** The part of a pino logger that controllers use. */
export interface ControllerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Settings of the controllers; all have defaults. */
export interface ControllerSettings {
  /** Milliseconds without a sign of life after which a node's state is unknown. */
  readonly nodeGraceMs: number;
  /** Milliseconds a pod may stay bound to a Node that does not exist. */
  readonly orphanQuarantineMs: number;
  /** Ended pods kept in the whole cluster; the oldest beyond are deleted. */
  readonly endedPodsKept: number;
  /** Addresses of services inside the cluster. */
  readonly serviceRange: AddressRange;
  /** Addresses for services of type LoadBalancer; empty: those of the nodes serve. */
  readonly loadBalancerPool: AddressPool;
  /** Ports of TCP that no service takes at the addresses of nodes: SSH, and what servers and agents listen on. */
  readonly reservedPorts: readonly number[];
}

/** The defaults of {@link ControllerSettings}. */
export const DEFAULT_SETTINGS: ControllerSettings = {
  nodeGraceMs: 10_000,
  orphanQuarantineMs: 40_000,
  endedPodsKept: 1000,
  serviceRange: DEFAULT_SERVICE_RANGE,
  loadBalancerPool: NO_POOL,
  reservedPorts: [22, 7443, 7444, 7450],
};

/** What controllers are given. */
export interface ControllerContext {
  readonly client: ResourceClient;
  readonly informers: SharedInformers;
  readonly kinds: ServedKinds;
  /** A sink that speaks for the component `name`. */
  readonly events: (name: string) => EventSink;
  readonly clock: Clock;
  readonly log: ControllerLog;
  readonly settings: ControllerSettings;
}

/** One controller, wired to its informers. */
export interface Controller {
  readonly queue: WorkQueue;
  /** Keys reconciled at the same time; 4 unless said. */
  readonly workers?: number;
  /** Makes what is wanted true for `key`. May be stopped at any instruction and run again. */
  reconcile(key: string, signal: AbortSignal): Promise<Outcome>;
}

/** One line of the registry. */
export interface ControllerDefinition {
  readonly name: string;
  /** Adds handlers to the informers; starts nothing. */
  readonly create: (context: ControllerContext) => Controller;
}

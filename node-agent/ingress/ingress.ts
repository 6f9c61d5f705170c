/**
 * Ingress on this node: HAProxy on the node's ports 80 and 443, as soon as the cluster has an Ingress of our class, with the
 * rules of all of them. Without one nothing runs.
 */
import { join } from 'node:path';
import { Backoff } from '../../lib/backoff.ts';
import { sleep } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { INGRESS_READY } from '../../lib/ingress-class.ts';
import { BY_SERVICE, type ClusterView } from '../features/cluster-view.ts';
import type { FeatureCondition, NodeFeature } from '../features/node-feature.ts';
import type { FeatureParts } from '../features/registry.ts';
import { holdsPod, type ServedPod } from '../proxy/served-pods.ts';
import { Haproxy, ProxyError } from './haproxy.ts';
import { type IngressPlan, type IngressProblem, ourIngresses, planIngress, tlsSecretsOf } from './plan.ts';
import { SecretWatches } from './secret-watches.ts';

/** Changes within this time are taken together. */
const GATHER_MS = 10;
/** A proxy that died unseen (one of an agent before us) is noticed after this. */
const LOOK_EVERY_MS = 30_000;

/** Makes the feature. */
export function createIngress(parts: FeatureParts): NodeFeature {
  return new IngressFeature(parts);
}

class IngressFeature implements NodeFeature {
  readonly name = 'ingress';
  readonly #parts: FeatureParts;
  readonly #proxy: Haproxy;
  readonly #secrets: SecretWatches;
  #wake = new AbortController();
  #condition: FeatureCondition | undefined;
  /** Resolve once a state at least as new as theirs is in force. */
  readonly #waiting = new Set<() => void>();
  readonly #told = new Set<string>();

  constructor(parts: FeatureParts) {
    this.#parts = parts;
    const { client, clock, log, place, config } = parts;
    this.#proxy = new Haproxy({ dir: join(place.runDir, 'ingress'), ports: config.ingressPorts, clock });
    this.#secrets = new SecretWatches({ client, clock, log, onChange: () => this.#wake.abort() });
    this.#proxy.onExit(() => this.#wake.abort());
  }

  conditions(): readonly FeatureCondition[] {
    return this.#condition === undefined ? [] : [this.#condition];
  }

  readonly withdrawal = {
    // The service rules know that already.
    isServed: () => false,
    withdrawn: (pod: ServedPod, signal: AbortSignal) => this.#withdrawn(pod, signal),
  };

  async run(signal: AbortSignal): Promise<void> {
    const { view, clock, log } = this.#parts;
    const wake = (): void => this.#wake.abort();
    const removals = this.#sources(view).map((informer) =>
      informer.addHandler({ onAdd: wake, onUpdate: wake, onDelete: wake }),
    );
    signal.addEventListener('abort', wake, { once: true });
    try {
      await Promise.all(this.#sources(view).map((informer) => informer.synced(signal)));
    } catch {
      return;
    }
    const backoff = new Backoff({ initialMs: 500, maxMs: 30_000, jitter: 0.2 });
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let waitMs = LOOK_EVERY_MS;
      try {
        await this.#bringAbout(signal);
        backoff.reset();
      } catch (err) {
        if (signal.aborted) break;
        if (backoff.failures === 0) log.warn({ err: errorMessage(err) }, 'ingress not served');
        const reason = err instanceof ProxyError ? err.reason : 'Failed';
        this.#setCondition({ type: INGRESS_READY, status: 'False', reason, message: errorMessage(err) });
        waitMs = backoff.next();
      }
      await sleep(clock, waitMs, this.#wake.signal);
      if (!signal.aborted) await sleep(clock, GATHER_MS, signal);
    }
    for (const remove of removals) remove();
    await this.#secrets.close();
  }

  async teardown(): Promise<void> {
    await this.#proxy.stop();
  }

  /** What the plan is made from. */
  #sources(view: ClusterView) {
    return [view.ingresses, view.ingressClasses, view.services, view.endpointSlices] as const;
  }

  async #bringAbout(signal: AbortSignal): Promise<void> {
    const { view } = this.#parts;
    const waiting = [...this.#waiting];
    const input = { ingresses: view.ingresses.list(), classes: view.ingressClasses.list() };
    const ours = ourIngresses(input);
    this.#secrets.want(
      new Set(ours.flatMap((ingress) => tlsSecretsOf(ingress).map((name) => `${ingress.metadata?.namespace}/${name}`))),
    );
    if (ours.length === 0) {
      if (this.#proxy.isRunning) await this.#proxy.stop();
      this.#setCondition(undefined);
    } else if (this.#secrets.synced) {
      const plan = planIngress({
        ...input,
        service: (namespace, name) => view.services.get(`${namespace}/${name}`),
        slices: (namespace, name) => view.endpointSlices.byIndex(BY_SERVICE, `${namespace}/${name}`),
        secret: (namespace, name) => this.#secrets.get(namespace, name),
      });
      await this.#proxy.apply(plan, signal);
      this.#report(plan);
    } else return;
    for (const done of waiting) done();
  }

  #report(plan: IngressPlan): void {
    const { http, https } = this.#parts.config.ingressPorts;
    const ports = plan.certificates.length > 0 ? `ports ${http} and ${https}` : `port ${http}`;
    const message = `Ingress is served on ${ports}`;
    this.#setCondition({ type: INGRESS_READY, status: 'True', reason: 'IngressServed', message });
    for (const problem of plan.problems) this.#tell(problem);
  }

  /** Each problem once; the same on every node, so the recorders fold them. */
  #tell({ ingress, reason, message }: IngressProblem): void {
    const key = `${ingress.metadata?.uid} ${ingress.metadata?.resourceVersion} ${reason} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#parts.events.record(ingress, 'Warning', reason, message);
  }

  #setCondition(condition: FeatureCondition | undefined): void {
    const before = this.#condition;
    this.#condition = condition;
    if (before?.status !== condition?.status || before?.message !== condition?.message) this.#parts.changed();
  }

  /** Resolves once a plan made after the pod was seen to leave is in force, or none is served. */
  async #withdrawn(pod: ServedPod, signal: AbortSignal): Promise<boolean> {
    const { endpointSlices } = this.#parts.view;
    const left = (): boolean => !endpointSlices.list().some((slice) => holdsPod(slice, pod));
    try {
      await endpointSlices.waitUntil(left, signal);
    } catch {
      return false;
    }
    if (this.#condition === undefined) return true;
    return new Promise((resolve) => {
      const finish = (withdrawn: boolean): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', stop);
        resolve(withdrawn);
      };
      const done = (): void => finish(true);
      const stop = (): void => finish(false);
      this.#waiting.add(done);
      signal.addEventListener('abort', stop, { once: true });
      this.#wake.abort();
    });
  }
}

/** Registers the Node and keeps its status true: on every change, after others changed it, and every few minutes. */
import { Backoff } from '../../lib/backoff.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { hasReason } from '../../lib/errors.ts';
import { Informer } from '../../lib/informer.ts';
import { REMOVED_ANNOTATION } from '../../lib/node-removal.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { AgentLog } from '../pods/environment.ts';
import { type NodeReport, newNode, nodeLabels, nodeStatus, statusDiffers, wantedAnnotations } from './node-object.ts';

/** What the reporter is made of. */
export interface NodeReporterOptions {
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly name: string;
  /** Reads the machine as it is now. Must not reject. */
  readonly report: () => Promise<NodeReport>;
  /** The Node has another pod range than the report says: it was removed, and its old range given away. */
  readonly onOtherRange?: (podCidr: string) => void;
}

/** The machine is looked at this often, and the status written at least that often. */
const LOOK_EVERY_MS = 10_000;
const WRITE_EVERY_MS = 300_000;

/** See the top of the file. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;
  readonly #informer: Informer<corev1.Node>;
  #node: corev1.Node | undefined;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #wake: AbortController = new AbortController();
  #registered: () => void = () => undefined;
  #isDismissed = false;
  #saidDismissed = false;
  /** Resolves when the Node is registered and its first status is written. */
  readonly registered: Promise<void>;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    this.registered = new Promise((resolve) => {
      this.#registered = resolve;
    });
    this.#informer = new Informer({
      client: options.client,
      type: KINDS.Node,
      select: { fieldSelector: `metadata.name=${options.name}` },
      clock: options.clock,
      log: options.log,
    });
  }

  /** The registered Node. */
  get node(): corev1.Node | undefined {
    return this.#node;
  }

  /** Something that the status shows has changed. */
  changed(): void {
    this.#wake.abort();
  }

  /** Works until aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const off = this.#informer.addHandler({
      onAdd: (node) => {
        if (this.#isDismissed) this.changed();
        this.#look(node);
      },
      onUpdate: (_, node) => {
        this.#node = node;
        this.#look(node);
        this.changed();
      },
      onDelete: (node) => {
        this.#node = undefined;
        this.#look(node);
        this.changed();
      },
    });
    const watching = this.#informer.run(signal);
    const backoff = new Backoff({ initialMs: 100, maxMs: 5000, jitter: 0.2 });
    const stop = (): void => this.#wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let waitMs = LOOK_EVERY_MS;
      try {
        await this.#reportOnce(signal);
        backoff.reset();
      } catch (err) {
        if (signal.aborted) break;
        if (backoff.failures === 0) this.#options.log.warn({ node: this.#options.name, err }, 'node not reported');
        waitMs = backoff.next();
      }
      await sleep(this.#options.clock, waitMs, this.#wake.signal);
    }
    off();
    signal.removeEventListener('abort', stop);
    await watching;
  }

  /** Whether an operator takes the Node out is written on it, before it goes. */
  #look(node: corev1.Node): void {
    this.#isDismissed = node.metadata?.annotations?.[REMOVED_ANNOTATION] !== undefined;
    if (!this.#isDismissed) this.#saidDismissed = false;
  }

  async #reportOnce(signal: AbortSignal): Promise<void> {
    const { client, clock, log, name } = this.#options;
    if (this.#node === undefined && this.#isDismissed) {
      if (!this.#saidDismissed)
        log.warn({ node: name }, 'this node was removed from the cluster: run skiff leave here');
      this.#saidDismissed = true;
      return;
    }
    const report = await this.#options.report();
    if (this.#node === undefined) {
      this.#node = await this.#register(report, signal);
      log.info({ node: name }, 'node registered');
    }
    const given = this.#node.spec?.podCIDR ?? '';
    if (given !== '' && given !== report.podCidr) this.#options.onOtherRange?.(given);
    const annotations = wantedAnnotations(this.#node.metadata?.annotations, report.annotations);
    if (annotations !== undefined) {
      const metadata = { ...this.#node.metadata, annotations };
      this.#node = await client.update(KINDS.Node, { ...this.#node, metadata }, { signal });
    }
    const status = nodeStatus(report, this.#node.status, clock.now());
    const due = clock.monotonicMs() - this.#writtenAtMs >= WRITE_EVERY_MS;
    if (!due && !statusDiffers(this.#node.status, status)) return;
    try {
      this.#node = await client.update(KINDS.Node, { ...this.#node, status }, { subresource: 'status', signal });
    } catch (err) {
      if (!hasReason(err, 'Conflict', 'NotFound')) throw err;
      // Somebody wrote in between, or removed it: read again and report on that.
      this.#node = undefined;
      this.changed();
      return;
    }
    this.#writtenAtMs = clock.monotonicMs();
    this.#registered();
  }

  /** The existing Node with our labels, or a new one. */
  async #register(report: NodeReport, signal: AbortSignal): Promise<corev1.Node> {
    const { client, name } = this.#options;
    let found: corev1.Node;
    try {
      found = await client.get(KINDS.Node, { name }, signal);
    } catch (err) {
      if (!hasReason(err, 'NotFound')) throw err;
      return this.#create(report, signal);
    }
    const labels = nodeLabels(report);
    const current = found.metadata?.labels ?? {};
    const podCIDR = found.spec?.podCIDR || report.podCidr;
    if (found.spec?.podCIDR === podCIDR && Object.entries(labels).every(([key, value]) => current[key] === value)) {
      return found;
    }
    return client.update(
      KINDS.Node,
      {
        ...found,
        metadata: { ...found.metadata, labels: { ...current, ...labels } },
        spec: { ...found.spec, podCIDR, podCIDRs: [podCIDR] },
      },
      { signal },
    );
  }

  /** With the range our pods have, unless that is another node's by now: then with the one we are given. */
  async #create(report: NodeReport, signal: AbortSignal): Promise<corev1.Node> {
    const { client, log } = this.#options;
    const node = newNode(report);
    try {
      return await client.create(KINDS.Node, node, { signal });
    } catch (err) {
      if (!hasReason(err, 'Invalid')) throw err;
      log.warn(
        { node: report.name, podCidr: report.podCidr, err },
        'the pod range of this node cannot be had any more',
      );
      return client.create(KINDS.Node, { metadata: { ...node.metadata } }, { signal });
    }
  }
}

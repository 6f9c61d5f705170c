/**
 * Lets go of stateful pods whose node is silent, once something proves that they are dead (`plan.ts`); until then they stay, and an
 * Event says what they wait for. The operator's own statement, the taint out-of-service, is the pod collector's.
 *
 * Watches Pods (key: itself), Nodes (keys: the pods on them) and the Leases in `kube-node-lease` (likewise).
 *
 * Why no pod runs twice: a pod is let go only while it is being deleted, on a read of the Lease *after* that was seen. An agent whose
 * dead-man has fired starts such a pod again only after it has renewed its Lease and *then* read that the pod is not being
 * deleted. So either this read finds the renewal, or the agent's read finds the deletion.
 */
import { deadManSeconds, isFenceable } from '../../../lib/fencing.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type coordinationv1, type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { BY_NODE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { fencingVerdict, type HeardRenewal, needsProof, type Proof } from './plan.ts';

const NAME = 'fencing-controller';
const LEASE_NAMESPACE = 'kube-node-lease';
/** A lease that was renewed after all will be heard of soon. */
const LEASE_RECHECK_MS = 1_000;

/** The fencing controller. */
export const fencingController: ControllerDefinition = { name: NAME, create };

/** What is remembered of a going pod, by uid. */
interface Waiting {
  /** The boot of its machine when that was found silent. */
  readonly silentBootId: string;
  /** What was said last. */
  message: string;
  /** It was let go; what keeps it (a finalizer) is not ours. */
  released: boolean;
}

function create(context: ControllerContext): Controller {
  const { client, informers, clock, log } = context;
  const queue = new WorkQueue({ clock });
  const nodes = informers.of(KINDS.Node);
  const leases = informers.of(KINDS.Lease);
  const pods = informers.of(KINDS.Pod);
  const events = context.events(NAME);
  const renewals = new Map<string, HeardRenewal>();
  const waiting = new Map<string, Waiting>();

  const look = (pod: corev1.Pod): void => {
    if (pod.metadata?.deletionTimestamp !== undefined && isFenceable(pod)) queue.add(objectKey(pod));
  };
  const lookAt = (node: string): void => {
    for (const pod of pods.byIndex(BY_NODE, node)) look(pod);
  };
  pods.addHandler({
    onAdd: look,
    onUpdate: (_, pod) => look(pod),
    onDelete: (pod) => waiting.delete(pod.metadata?.uid ?? ''),
  });
  nodes.addHandler({
    onAdd: (node) => lookAt(objectKey(node)),
    onUpdate: (old, node) => {
      if (relevant(old) !== relevant(node)) lookAt(objectKey(node));
    },
  });
  const heard = (lease: coordinationv1.Lease): void => {
    const { namespace, name = '', annotations } = lease.metadata ?? {};
    if (namespace !== LEASE_NAMESPACE) return;
    renewals.set(name, {
      heardMs: clock.monotonicMs(),
      renewTime: lease.spec?.renewTime ?? '',
      deadManSeconds: deadManSeconds(annotations),
    });
  };
  leases.addHandler({
    onAdd: heard,
    onUpdate: (_, lease) => heard(lease),
    onDelete: ({ metadata }) => {
      if (metadata?.namespace === LEASE_NAMESPACE) renewals.delete(metadata.name ?? '');
    },
  });

  /** Whether the lease is still as it was heard of: a watch may be late, and this counts. */
  async function isUnrenewed(name: string, renewal: HeardRenewal | undefined, signal: AbortSignal): Promise<boolean> {
    const fresh = await ignoreNotFound(client.get(KINDS.Lease, { namespace: LEASE_NAMESPACE, name }, signal));
    if (fresh === undefined || renewal === undefined) return false;
    const seconds = deadManSeconds(fresh.metadata?.annotations);
    return fresh.spec?.renewTime === renewal.renewTime && seconds === renewal.deadManSeconds;
  }

  async function letGo(pod: corev1.Pod, proof: Proof, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid = '' } = pod.metadata ?? {};
    log.info({ namespace, name, uid, node: pod.spec?.nodeName, proof: proof.kind }, 'letting go of a fenced pod');
    await ignoreNotFound(client.delete(KINDS.Pod, { namespace, name }, { uid, gracePeriodSeconds: 0, signal }));
    events.record(pod, 'Normal', 'Fenced', `Taken for dead: ${proof.because}`);
  }

  function say(pod: corev1.Pod, state: Waiting, message: string): void {
    if (state.message === message) return;
    state.message = message;
    events.record(pod, 'Warning', 'FencingWaits', message);
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const pod = pods.get(key);
    const node = nodes.get(pod?.spec?.nodeName ?? '');
    const uid = pod?.metadata?.uid ?? '';
    if (pod === undefined || node === undefined) {
      waiting.delete(uid);
      return done;
    }
    const name = objectKey(node);
    let state = waiting.get(uid);
    if (state === undefined) {
      if (!needsProof(pod, node)) return done;
      state = { silentBootId: node.status?.nodeInfo?.bootID ?? '', message: '', released: false };
      waiting.set(uid, state);
    }
    if (state.released) return done;
    const renewal = renewals.get(name);
    const facts = { node, silentBootId: state.silentBootId, renewal, nowMs: clock.monotonicMs() };
    const verdict = fencingVerdict(facts);
    const isProvenByBoot = verdict.kind === 'proven' && verdict.proof.kind === 'boot-id';
    // A node that is heard again ends its pods itself; only a new boot says more than it does.
    if (!isProvenByBoot && !needsProof(pod, node)) {
      waiting.delete(uid);
      return done;
    }
    if (verdict.kind === 'waits') {
      say(pod, state, verdict.message);
      return verdict.forMs === undefined ? done : after(verdict.forMs);
    }
    if (verdict.proof.kind === 'dead-man' && !(await isUnrenewed(name, renewal, signal)))
      return after(LEASE_RECHECK_MS);
    await letGo(pod, verdict.proof, signal);
    state.released = true;
    return done;
  }

  return { queue, workers: 4, reconcile };
}

/** What of a node can change a verdict, as text. */
function relevant(node: corev1.Node): string {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return `${ready} ${node.status?.nodeInfo?.bootID}`;
}

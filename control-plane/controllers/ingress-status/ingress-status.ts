/**
 * Says in each Ingress of our class where it is reached: at the addresses of the nodes that are Ready and serve Ingresses.
 *
 * Watches Ingresses (key: itself), IngressClasses and Nodes (keys: all Ingresses, when something changes that shows).
 */
import { objectKey } from '../../../lib/informer.ts';
import { classNameOf, INGRESS_CONTROLLER } from '../../../lib/ingress-class.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, KINDS, type networkingv1 } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { sameValue } from '../same-value.ts';
import { ignoreNotFound } from '../writes.ts';
import { ingressAddresses } from './plan.ts';

/** The controller of Ingress statuses. */
export const ingressStatusController: ControllerDefinition = { name: 'ingress-status-controller', create };

function create({ client, informers, clock }: ControllerContext): Controller {
  const queue = new WorkQueue({ clock });
  const ingresses = informers.of(KINDS.Ingress);
  const classes = informers.of(KINDS.IngressClass);
  const nodes = informers.of(KINDS.Node);

  const enqueue = (ingress: networkingv1.Ingress): void => queue.add(objectKey(ingress));
  const enqueueAll = (): void => {
    for (const ingress of ingresses.list()) enqueue(ingress);
  };
  ingresses.addHandler({ onAdd: enqueue, onUpdate: (_, ingress) => enqueue(ingress) });
  classes.addHandler({ onAdd: enqueueAll, onUpdate: enqueueAll, onDelete: enqueueAll });
  const shown = (node: corev1.Node): readonly string[] => ingressAddresses([node]);
  nodes.addHandler({
    onAdd: enqueueAll,
    onUpdate: (old, node) => {
      if (!sameValue(shown(old), shown(node))) enqueueAll();
    },
    onDelete: enqueueAll,
  });

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const ingress = ingresses.get(key);
    if (ingress === undefined || ingress.metadata?.deletionTimestamp !== undefined) return done;
    const name = classNameOf(ingress) ?? '';
    if (classes.get(name)?.spec?.controller !== INGRESS_CONTROLLER) return done;
    const wanted = ingressAddresses(nodes.list()).map((ip) => ({ ip }));
    const present = ingress.status?.loadBalancer?.ingress ?? [];
    if (sameValue(present, wanted)) return done;
    const loadBalancer = wanted.length === 0 ? {} : { ingress: wanted };
    const changed = { ...ingress, status: { ...ingress.status, loadBalancer } };
    await ignoreNotFound(client.update(KINDS.Ingress, changed, { subresource: 'status', signal }));
    return done;
  }

  return { queue, reconcile };
}

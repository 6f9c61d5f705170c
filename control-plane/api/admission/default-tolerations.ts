import type { corev1 } from '../../../proto/index.ts';
import type { AdmissionStep } from './admission-step.ts';

const NODE_TROUBLE_TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'] as const;

/** How long pods stay on a node in trouble when their manifest does not say. */
export interface DefaultTolerationOptions {
  readonly notReadySeconds: number;
  readonly unreachableSeconds: number;
}

/** Gives pods that say nothing about a node's not-ready and unreachable taints a toleration of so many seconds. */
export function defaultTolerations(options: DefaultTolerationOptions): AdmissionStep {
  const seconds = [options.notReadySeconds, options.unreachableSeconds];
  return ({ operation, definition, object }) => {
    if (operation !== 'CREATE' || definition.type.messageName !== 'skiff.core.v1.Pod') return;
    const pod = object as corev1.Pod;
    if (pod.spec === undefined) return;
    const given = pod.spec.tolerations ?? [];
    const added = NODE_TROUBLE_TAINTS.flatMap((key, i): corev1.Toleration[] =>
      given.some((toleration) => tolerates(toleration, key))
        ? []
        : [{ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds[i] ?? 0 }],
    );
    if (added.length > 0) pod.spec.tolerations = [...given, ...added];
  };
}

function tolerates({ key, effect }: corev1.Toleration, taint: string): boolean {
  return (
    (key === undefined || key === '' || key === taint) &&
    (effect === undefined || effect === '' || effect === 'NoExecute')
  );
}

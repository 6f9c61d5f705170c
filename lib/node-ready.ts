/** Whether a node says that it is well. */
import type { corev1 } from '../proto/index.ts';

/** Whether the Node is Ready, as far as is known. */
export function isNodeReady({ status }: corev1.Node): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
}

import type { KubeObject } from '../../../proto/index.ts';

/**
 * The name of the class marked as default by one of the annotations `marks`; of several the one made last, and of those the
 * first by name. Undefined when none is.
 */
export function chooseDefault(classes: readonly KubeObject[], marks: readonly string[]): string | undefined {
  const marked = classes.filter(({ metadata }) => marks.some((mark) => metadata?.annotations?.[mark] === 'true'));
  const made = (one: KubeObject): number => Date.parse(one.metadata?.creationTimestamp ?? '') || 0;
  const name = (one: KubeObject): string => one.metadata?.name ?? '';
  return marked.sort((a, b) => made(b) - made(a) || (name(a) < name(b) ? -1 : 1)).map(name)[0];
}

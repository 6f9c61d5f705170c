/** Warnings about names that are valid and still surprise. */
import { dnsLabel } from '../../lib/name-rules.ts';
import type { KubeObject } from '../../proto/index.ts';

/** A line when the pods made of the object cannot have its name as their host name. */
export function podNameWarnings(object: KubeObject): string[] {
  const [problem] = dnsLabel(object.metadata?.name ?? 'x');
  if (problem === undefined) return [];
  return [`metadata.name: names and host names of pods are made from it, so a DNS label is better: ${problem}`];
}

import { expect, it } from 'vitest';
import { type corev1, KINDS, type KubeObject } from '../../../../proto/index.ts';
import { definitionOf } from '../../../resources/registry.ts';
import type { AnyDefinition, ApiServices } from '../../services.ts';
import type { AdmissionRequest } from '../admission-step.ts';
import { podSecurity } from './pod-security.ts';

/** Services that know one namespace with these labels. */
function withLabels(labels: Record<string, string>): ApiServices {
  const cache = { get: () => ({ object: { metadata: { labels } } }), list: () => ({ entries: [] }) };
  return { cache } as unknown as ApiServices;
}

function write(pod: corev1.Pod, old?: corev1.Pod) {
  const warnings: string[] = [];
  const request: AdmissionRequest = {
    operation: old === undefined ? 'CREATE' : 'UPDATE',
    definition: definitionOf(KINDS.Pod) as unknown as AnyDefinition,
    subresource: '',
    namespace: 'ns',
    name: 'p',
    caller: { user: 'alice', groups: [], internal: false },
    object: pod as KubeObject,
    old,
    warn: (line) => void warnings.push(line),
  };
  return { request, warnings };
}

const bad: corev1.Pod = { spec: { hostPID: true, containers: [{ name: 'c', image: 'x' }] } };
const violation = 'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)';

it('audit writes a line in the log and lets the pod pass without a word', () => {
  const logged: [object, string][] = [];
  const step = podSecurity({ info: (fields, message) => void logged.push([fields, message]) });
  const { request, warnings } = write(bad);
  void step(request, withLabels({ 'pod-security.kubernetes.io/audit': 'baseline' }));
  expect(warnings).toEqual([]);
  expect(logged).toEqual([
    [{ kind: 'Pod', namespace: 'ns', name: 'p', user: 'alice', violations: violation }, 'pod security audit'],
  ]);
});

it('warn tells the person and logs nothing', () => {
  const step = podSecurity({ info: () => expect.unreachable() });
  const { request, warnings } = write(bad);
  void step(request, withLabels({ 'pod-security.kubernetes.io/warn': 'baseline' }));
  expect(warnings).toEqual([violation]);
});

it('a pod that was let in before may still have its labels changed, but not its image', () => {
  const step = podSecurity({ info: () => undefined });
  const strict = withLabels({ 'pod-security.kubernetes.io/enforce': 'baseline' });
  const relabelled = write({ ...bad, metadata: { labels: { a: 'b' } } }, bad).request;
  expect(() => void step(relabelled, strict)).not.toThrow();
  const changed = { spec: { ...bad.spec, containers: [{ name: 'c', image: 'y' }] } };
  expect(() => void step(write(changed, bad).request, strict)).toThrow('violates PodSecurity "baseline:latest"');
});

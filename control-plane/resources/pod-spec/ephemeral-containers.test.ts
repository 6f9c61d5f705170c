import { describe, expect, it } from 'vitest';
import type { corev1, Json, JsonObject } from '../../../proto/index.ts';
import { readObject } from '../test-objects.ts';
import { expectProblem } from '../valid-objects.ts';
import { validateEphemeralContainers, validateEphemeralContainersUpdate } from './ephemeral-containers.ts';

const pod = (...ephemeralContainers: JsonObject[]): corev1.PodSpec =>
  readObject<corev1.Pod>({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n' },
    spec: {
      containers: [{ name: 'main', image: 'x:1' }],
      initContainers: [{ name: 'init', image: 'x:1' }],
      volumes: [{ name: 'data', emptyDir: {} }],
      ephemeralContainers,
    },
  }).spec ?? {};
const debug: JsonObject = { name: 'debug', image: 'busybox:1' };
const lines = (causes: readonly { field: string; message: string }[]) => causes.map((c) => `${c.field}: ${c.message}`);
const at = 'spec.ephemeralContainers[0]';
const never = 'Forbidden: cannot be set for an Ephemeral Container';

describe('an ephemeral container', () => {
  it('looks into a container of its pod', () => {
    const full = {
      ...debug,
      targetContainerName: 'main',
      stdin: true,
      tty: true,
      command: ['sh'],
      env: [{ name: 'A', value: '1' }],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
      securityContext: { runAsUser: 0 },
    };
    expect(validateEphemeralContainers(pod(full), 'spec')).toEqual([]);
  });

  it.each<[more: JsonObject, problem: string]>([
    [{ image: '' }, `${at}.image: Required value`],
    [{ name: 'main' }, `${at}.name: Duplicate value: "main"`],
    [{ name: 'init' }, `${at}.name: Duplicate value: "init"`],
    [{ name: 'A' }, `${at}.name: Invalid value: "A": a lowercase RFC 1123 label…`],
    [{ targetContainerName: 'nobody' }, `${at}.targetContainerName: Not found: "nobody"`],
    [{ targetContainerName: 'debug' }, `${at}.targetContainerName: Not found: "debug"`],
    [{ ports: [{ containerPort: 80 }] }, `${at}.ports: ${never}`],
    [{ lifecycle: { preStop: { exec: { command: ['x'] } } } }, `${at}.lifecycle: ${never}`],
    [{ livenessProbe: { exec: { command: ['x'] } } }, `${at}.livenessProbe: ${never}`],
    [{ readinessProbe: { exec: { command: ['x'] } } }, `${at}.readinessProbe: ${never}`],
    [{ startupProbe: { exec: { command: ['x'] } } }, `${at}.startupProbe: ${never}`],
    [{ resources: { limits: { cpu: '1' } } }, `${at}.resources: ${never}`],
    [{ restartPolicy: 'Always' }, `${at}.restartPolicy: ${never}`],
    [{ volumeMounts: [{ name: 'data', mountPath: '/d', subPath: 'x' }] }, `${at}.volumeMounts[0].subPath: ${never}`],
    [{ volumeMounts: [{ name: 'gone', mountPath: '/d' }] }, `${at}.volumeMounts[0].name: Not found: "gone"`],
  ])('is refused with %j', (more, problem) => {
    expectProblem(lines(validateEphemeralContainers(pod({ ...debug, ...more }), 'spec')), problem);
  });

  it('has a name of its own', () => {
    expect(lines(validateEphemeralContainers(pod(debug, debug), 'spec'))).toEqual([
      'spec.ephemeralContainers[1].name: Duplicate value: "debug"',
    ]);
  });

  it('comes, and stays as it is', () => {
    const other: Json = { name: 'other', image: 'x:1' };
    const update = (spec: corev1.PodSpec, old: corev1.PodSpec) => lines(validateEphemeralContainersUpdate(spec, old));
    expect(update(pod(debug), pod())).toEqual([]);
    expect(update(pod(other, debug), pod(debug))).toEqual([]);
    expect(update(pod(other), pod(debug))).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed',
    ]);
    expect(update(pod({ ...debug, tty: true }), pod(debug))).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be changed; ' +
        'tty was null and would be true',
    ]);
  });
});

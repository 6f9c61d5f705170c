import { describe, expect, it } from 'vitest';
import type { corev1, Json, KubeObject } from '../../proto/index.ts';
import { podSummary } from './pod-summary.ts';
import { allDefinitions } from './registry.ts';
import { definitionFor, readObject } from './test-objects.ts';

const row = (json: Json, wide = false): string[] => {
  const object = readObject<KubeObject>(json);
  return definitionFor(json)
    .columns.filter((c) => wide || c.wide !== true)
    .map((c) => c.cell(object));
};

describe('columns', () => {
  it.each([
    ['Namespace', 'NAME STATUS AGE'],
    ['Node', 'NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME'],
    ['Pod', 'NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES'],
    ['ReplicaSet', 'NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR'],
    ['Deployment', 'NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR'],
    ['ConfigMap', 'NAME DATA AGE'],
    ['Secret', 'NAME TYPE DATA AGE'],
    ['Event', 'LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME'],
    ['Lease', 'NAME HOLDER AGE'],
  ])('of %s are %s', (kind, names) => {
    const definition = allDefinitions().find((d) => d.type.kind === kind);
    expect(definition?.columns.map((c) => c.name).join(' ')).toBe(names);
  });

  it('have a cell for an object that says nothing', () => {
    for (const definition of allDefinitions()) {
      for (const column of definition.columns) expect(typeof column.cell({})).toBe('string');
      for (const field of Object.values(definition.selectableFields ?? {})) expect(typeof field({})).toBe('string');
    }
  });

  it('show a deployment', () => {
    const json: Json = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', creationTimestamp: '2026-01-02T03:04:05Z' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          spec: {
            containers: [
              { name: 'a', image: 'x' },
              { name: 'b', image: 'y' },
            ],
          },
        },
      },
      status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
    };
    expect(row(json, true)).toEqual(['web', '2/3', '3', '1', '2026-01-02T03:04:05Z', 'a,b', 'x,y', 'app=web']);
  });

  it('show a node', () => {
    const json: Json = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'n1',
        labels: { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/control-plane': '' },
      },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        nodeInfo: {
          kubeletVersion: 'v1',
          osImage: 'Debian',
          kernelVersion: '6.1',
          containerRuntimeVersion: 'crun://1',
        },
      },
    };
    expect(row(json, true)).toEqual([
      'n1',
      'Ready,SchedulingDisabled',
      'control-plane,worker',
      '',
      'v1',
      '10.0.0.1',
      '<none>',
      'Debian',
      '6.1',
      'crun://1',
    ]);
  });

  it('show an event with the time of its last sight', () => {
    const json: Json = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'n' },
      involvedObject: { kind: 'Pod', name: 'p' },
      type: 'Warning',
      reason: 'BackOff',
      message: ' again \n',
      firstTimestamp: '2026-01-02T03:00:00Z',
      lastTimestamp: '2026-01-02T03:04:05Z',
      count: 4,
    };
    expect(row(json)).toEqual(['2026-01-02T03:04:05Z', 'Warning', 'BackOff', 'pod/p', 'again']);
    expect(row(json, true).slice(-3)).toEqual(['2026-01-02T03:00:00Z', '4', 'e']);
  });
});

describe('a pod in a word', () => {
  const ended = (exitCode: number, more: corev1.ContainerStateTerminated = {}) => ({
    terminated: { exitCode, ...more },
  });
  const running = { state: { running: {} }, ready: true };
  const pod = (status: corev1.PodStatus, spec: corev1.PodSpec = {}, deleted = false): corev1.Pod => ({
    metadata: deleted ? { deletionTimestamp: '2026-01-02T03:04:05Z' } : {},
    spec: { containers: [{ name: 'a' }, { name: 'b' }], ...spec },
    status,
  });
  const init = { initContainers: [{ name: 'i' }, { name: 'j' }] };
  const sidecar = { initContainers: [{ name: 'i', restartPolicy: 'Always' }] };

  it.each<[what: string, pod: corev1.Pod, ready: string, status: string]>([
    ['new', pod({ phase: 'Pending' }), '0/2', 'Pending'],
    ['running', pod({ phase: 'Running', containerStatuses: [running, running] }), '2/2', 'Running'],
    [
      'being created',
      pod({ phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }] }),
      '0/2',
      'ContainerCreating',
    ],
    [
      'crashing: the first container that has a word gives it',
      pod({
        phase: 'Running',
        containerStatuses: [
          { state: { waiting: { reason: 'CrashLoopBackOff' } } },
          { state: { waiting: { reason: 'ImagePullBackOff' } } },
        ],
      }),
      '0/2',
      'CrashLoopBackOff',
    ],
    [
      'done',
      pod({ phase: 'Succeeded', containerStatuses: [{ state: ended(0, { reason: 'Completed' }) }] }),
      '0/2',
      'Completed',
    ],
    ['ended without a reason', pod({ phase: 'Failed', containerStatuses: [{ state: ended(3) }] }), '0/2', 'ExitCode:3'],
    [
      'ended by a signal',
      pod({ phase: 'Failed', containerStatuses: [{ state: ended(137, { signal: 9 }) }] }),
      '0/2',
      'Signal:9',
    ],
    [
      'half done and ready',
      pod({
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }],
        containerStatuses: [{ state: ended(0, { reason: 'Completed' }) }, running],
      }),
      '1/2',
      'Running',
    ],
    [
      'half done and not ready',
      pod({ phase: 'Running', containerStatuses: [{ state: ended(0, { reason: 'Completed' }) }, running] }),
      '1/2',
      'NotReady',
    ],
    ['evicted', pod({ phase: 'Failed', reason: 'Evicted' }), '0/2', 'Evicted'],
    [
      'gated',
      pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] }),
      '0/2',
      'SchedulingGated',
    ],
    ['going', pod({ phase: 'Running', containerStatuses: [running, running] }, {}, true), '2/2', 'Terminating'],
    ['gone with its node', pod({ phase: 'Running', reason: 'NodeLost' }, {}, true), '0/2', 'Unknown'],
    ['done and going', pod({ phase: 'Succeeded' }, {}, true), '0/2', 'Succeeded'],
    [
      'in its first init container',
      pod({ phase: 'Pending', initContainerStatuses: [{ name: 'i', state: { running: {} } }] }, init),
      '0/2',
      'Init:0/2',
    ],
    [
      'in its second init container',
      pod(
        {
          phase: 'Pending',
          initContainerStatuses: [
            { name: 'i', state: ended(0) },
            { name: 'j', state: { waiting: { reason: 'PodInitializing' } } },
          ],
        },
        init,
      ),
      '0/2',
      'Init:1/2',
    ],
    [
      'with a failed init container',
      pod({ phase: 'Pending', initContainerStatuses: [{ name: 'i', state: ended(1, { reason: 'Error' }) }] }, init),
      '0/2',
      'Init:Error',
    ],
    [
      'with an init container that exits',
      pod({ phase: 'Pending', initContainerStatuses: [{ name: 'i', state: ended(2) }] }, init),
      '0/2',
      'Init:ExitCode:2',
    ],
    [
      'with an init container that crashes',
      pod(
        {
          phase: 'Pending',
          initContainerStatuses: [{ name: 'i', state: { waiting: { reason: 'CrashLoopBackOff' } } }],
        },
        init,
      ),
      '0/2',
      'Init:CrashLoopBackOff',
    ],
    [
      'initialised, containers waiting',
      pod(
        {
          phase: 'Pending',
          initContainerStatuses: [
            { name: 'i', state: ended(0) },
            { name: 'j', state: ended(0) },
          ],
          containerStatuses: [{ state: { waiting: { reason: 'PodInitializing' } } }],
        },
        init,
      ),
      '0/2',
      'PodInitializing',
    ],
    [
      'with a running sidecar',
      pod(
        {
          phase: 'Running',
          initContainerStatuses: [{ name: 'i', started: true, ...running }],
          containerStatuses: [running, running],
        },
        sidecar,
      ),
      '3/3',
      'Running',
    ],
  ])('%s', (_what, object, ready, status) => {
    expect(podSummary(object)).toMatchObject({ ready, status });
  });

  it('counts restarts, and says when the last was', () => {
    const at = (finishedAt: string) => ({ lastState: { terminated: { finishedAt } } });
    const status: corev1.PodStatus = {
      phase: 'Running',
      initContainerStatuses: [{ name: 'i', restartCount: 9, state: ended(0), ...at('2026-01-09T00:00:00Z') }],
      containerStatuses: [
        { restartCount: 2, ...running, ...at('2026-01-02T00:00:00Z') },
        { restartCount: 1, ...running, ...at('2026-01-03T00:00:00Z') },
      ],
    };
    const object = pod(status, { initContainers: [{ name: 'i' }] });
    expect(podSummary(object)).toMatchObject({ restarts: 3, lastRestart: '2026-01-03T00:00:00Z' });
    const cells = row({ apiVersion: 'v1', kind: 'Pod', ...(object as object) } as unknown as Json);
    expect(cells[3]).toBe('3 (2026-01-03T00:00:00Z ago)');
  });
});

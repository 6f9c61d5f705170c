import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { plan } from './plan.ts';
import { type ContainerView, type Instance, type PodView, UNTOUCHED } from './pod-state.ts';
import { podStatus } from './pod-status.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const TIME = '2026-01-01T12:00:00Z';

const running: Instance = {
  id: 'u-0-c',
  attempt: 0,
  state: 'running',
  startedAt: '2026-01-01T11:59:00.123Z',
  finishedAt: null,
  exitCode: null,
  reason: '',
  message: '',
  backoffMs: 0,
  specImage: 'i',
  image: 'docker.io/library/i:1',
  imageID: 'sha256:1',
  lost: false,
};
const ended = (exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): Instance => ({
  ...running,
  state: 'exited',
  exitCode,
  reason,
  finishedAt: '2026-01-01T11:59:59Z',
});
const up: ContainerView = { ...UNTOUCHED, current: running, started: true, ready: true };

function statusOf(
  spec: corev1.PodSpec,
  containers: Record<string, ContainerView>,
  change: Partial<PodView> = {},
  old?: corev1.PodStatus,
): corev1.PodStatus {
  const pod: corev1.Pod = { metadata: { name: 'p', namespace: 'n', uid: 'u', generation: 2 }, spec, status: old };
  const view: PodView = {
    sandbox: 'ready',
    sandboxProblem: null,
    podIPs: ['10.0.0.2'],
    hostIPs: ['10.0.0.1'],
    startTime: TIME,
    containers: new Map(Object.entries(containers)),
    ending: null,
    ...change,
  };
  return podStatus(pod, view, { plan: plan(pod, view, NOW), nowMs: NOW, runtimeName: 'crun' });
}

const conditionOf = (status: corev1.PodStatus, type: string): corev1.PodCondition | undefined =>
  status.conditions?.find((condition) => condition.type === type);

const C: corev1.Container = { name: 'c', image: 'i' };
const I: corev1.Container = { name: 'i1', image: 'i' };

describe('the status of a pod', () => {
  test('a pod that is over keeps the addresses it had; one that lost its sandbox has none', () => {
    const old = { podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.2' }] };
    const lost: Partial<PodView> = { sandbox: 'absent', podIPs: [] };
    expect(statusOf({ containers: [C] }, {}, lost, { ...old, phase: 'Succeeded' })).toMatchObject(old);
    expect(statusOf({ containers: [C] }, { c: up }, lost, { ...old, phase: 'Running' })).not.toHaveProperty('podIP');
  });

  test('a container of whose run nothing is known after a reboot keeps its count and the id of that run', () => {
    const last = { name: 'c', restartCount: 2, containerID: 'crun://u-2-c', state: { running: {} } };
    const status = statusOf(
      { containers: [C] },
      {},
      { sandbox: 'preparing', podIPs: [] },
      { containerStatuses: [last] },
    );
    expect(status.containerStatuses?.[0]).toMatchObject({
      restartCount: 2,
      containerID: 'crun://u-2-c',
      state: { waiting: { reason: 'ContainerCreating' } },
    });
  });

  test('a running pod is whole: addresses, container, conditions', () => {
    const status = statusOf({ containers: [C] }, { c: up });
    expect(status).toMatchObject({
      phase: 'Running',
      podIP: '10.0.0.2',
      podIPs: [{ ip: '10.0.0.2' }],
      hostIP: '10.0.0.1',
      qosClass: 'BestEffort',
      startTime: TIME,
      observedGeneration: 2,
    });
    expect(status.containerStatuses).toEqual([
      {
        name: 'c',
        state: { running: { startedAt: '2026-01-01T11:59:00Z' } },
        lastState: {},
        ready: true,
        started: true,
        restartCount: 0,
        image: 'docker.io/library/i:1',
        imageID: 'sha256:1',
        containerID: 'crun://u-0-c',
      },
    ]);
    for (const type of ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled', 'PodReadyToStartContainers']) {
      expect(conditionOf(status, type)).toMatchObject({ status: 'True', lastTransitionTime: TIME });
    }
  });

  test('a pod being made is Pending; its container is ContainerCreating', () => {
    const status = statusOf({ containers: [C] }, {}, { sandbox: 'preparing', podIPs: [] });
    expect(status.phase).toBe('Pending');
    expect(status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } });
    expect(conditionOf(status, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [c]',
    });
  });

  test('while init containers run the others are PodInitializing', () => {
    const status = statusOf({ initContainers: [I], containers: [C] }, { i1: up });
    expect(status.phase).toBe('Pending');
    expect(status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(conditionOf(status, 'Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [i1]',
    });
  });

  test('a crashing container waits with its last end beside it', () => {
    const crashed = { ...ended(3), attempt: 2, backoffMs: 20_000 };
    const status = statusOf({ containers: [C] }, { c: { ...UNTOUCHED, current: crashed } });
    expect(status.phase).toBe('Running');
    expect(status.containerStatuses?.[0]).toMatchObject({
      restartCount: 2,
      ready: false,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 3, reason: 'Error', containerID: 'crun://u-0-c' } },
    });
  });

  test.each([
    ['Never', [0, 0], 'Succeeded', 'PodCompleted'],
    ['Never', [0, 1], 'Failed', 'PodFailed'],
    ['OnFailure', [0, 0], 'Succeeded', 'PodCompleted'],
  ])('with policy %s and codes %j the pod is %s', (restartPolicy, codes, phase, reason) => {
    const containers = Object.fromEntries(
      codes.map((code, index) => [`c${index}`, { ...UNTOUCHED, current: ended(code) }]),
    );
    const status = statusOf(
      { restartPolicy, containers: codes.map((_, index) => ({ name: `c${index}`, image: 'i' })) },
      containers,
    );
    expect(status.phase).toBe(phase);
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'False', reason });
  });

  test('a failed init container fails a pod that never restarts', () => {
    const status = statusOf(
      { restartPolicy: 'Never', initContainers: [I], containers: [C] },
      { i1: { ...UNTOUCHED, current: ended(1) } },
    );
    expect(status.phase).toBe('Failed');
  });

  test('a pod that is over never comes back to life', () => {
    expect(statusOf({ containers: [C] }, { c: up }, {}, { phase: 'Failed' }).phase).toBe('Failed');
  });

  test('a pod ended by its deadline fails with the reason', () => {
    const ending = { deleted: false, reason: 'DeadlineExceeded', message: 'too long', graceSeconds: 1 };
    expect(statusOf({ containers: [C] }, { c: up }, { ending })).toMatchObject({
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'too long',
    });
  });

  test('a deleted pod ends Succeeded or Failed by its exit codes', () => {
    const ending = { deleted: true, reason: '', message: '', graceSeconds: 1 };
    expect(statusOf({ containers: [C] }, { c: { ...UNTOUCHED, current: ended(0) } }, { ending }).phase).toBe(
      'Succeeded',
    );
    expect(statusOf({ containers: [C] }, { c: { ...UNTOUCHED, current: ended(137) } }, { ending }).phase).toBe(
      'Failed',
    );
  });

  test('readiness gates of others hold the pod back and their conditions are kept', () => {
    const spec = { containers: [C], readinessGates: [{ conditionType: 'example.com/ready' }] };
    expect(conditionOf(statusOf(spec, { c: up }), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ReadinessGatesNotReady',
    });
    const old = { conditions: [{ type: 'example.com/ready', status: 'True' }] };
    const status = statusOf(spec, { c: up }, {}, old);
    expect(conditionOf(status, 'Ready')?.status).toBe('True');
    expect(conditionOf(status, 'example.com/ready')).toEqual(old.conditions[0]);
  });

  test('a condition that stays keeps its time', () => {
    const old = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2025-12-31T00:00:00Z' }] };
    expect(conditionOf(statusOf({ containers: [C] }, { c: up }, {}, old), 'Ready')?.lastTransitionTime).toBe(
      '2025-12-31T00:00:00Z',
    );
  });
});

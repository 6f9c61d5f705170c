import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { type Action, plan } from './plan.ts';
import type { ContainerView, Ending, Instance, PodView } from './pod-state.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const at = (secondsAgo: number): string => new Date(NOW - secondsAgo * 1000).toISOString();

function instance(change: Partial<Instance> = {}): Instance {
  return {
    id: 'u-0-c',
    attempt: 0,
    state: 'running',
    startedAt: at(60),
    finishedAt: null,
    exitCode: null,
    reason: '',
    message: '',
    backoffMs: 0,
    specImage: 'i',
    image: 'i',
    imageID: 'sha256:1',
    lost: false,
    ...change,
  };
}

const exited = (exitCode: number, change: Partial<Instance> = {}): Instance =>
  instance({ state: 'exited', exitCode, finishedAt: at(1), ...change });

function container(change: Partial<ContainerView> = {}): ContainerView {
  return {
    current: null,
    previous: null,
    busy: null,
    problem: null,
    started: true,
    ready: true,
    unhealthy: null,
    ...change,
  };
}

function view(containers: Record<string, ContainerView>, change: Partial<PodView> = {}): PodView {
  return {
    sandbox: 'ready',
    sandboxProblem: null,
    podIPs: ['10.0.0.2'],
    hostIPs: ['10.0.0.1'],
    startTime: at(600),
    containers: new Map(Object.entries(containers)),
    ending: null,
    ...change,
  };
}

function pod(spec: corev1.PodSpec, status?: corev1.PodStatus): corev1.Pod {
  return { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec, status };
}

const C: corev1.Container = { name: 'c', image: 'i' };
const D: corev1.Container = { name: 'd', image: 'i' };
const I: corev1.Container = { name: 'i1', image: 'i' };
const J: corev1.Container = { name: 'i2', image: 'i' };
const S: corev1.Container = { name: 's', image: 'i', restartPolicy: 'Always' };
const start = (name: string, attempt = 0, backoffMs = 0): Action => ({
  kind: 'start',
  container: name,
  attempt,
  backoffMs,
});
const deleted = (graceSeconds: number): Ending => ({ deleted: true, reason: '', message: '', graceSeconds });

interface Row {
  readonly name: string;
  readonly pod: corev1.Pod;
  readonly view: PodView;
  readonly actions: readonly Action[];
  /** Seconds from now. */
  readonly wakeIn?: number;
  readonly waiting?: Readonly<Record<string, string>>;
}

const rows: readonly Row[] = [
  {
    name: 'a new pod is prepared first',
    pod: pod({ containers: [C] }),
    view: view({}, { sandbox: 'absent' }),
    actions: [{ kind: 'prepare' }],
  },
  {
    name: 'a failed preparation is repeated when its time has come',
    pod: pod({ containers: [C] }),
    view: view({}, { sandbox: 'absent', sandboxProblem: { reason: 'x', message: 'x', retryAtMs: NOW + 2000 } }),
    actions: [],
    wakeIn: 2,
  },
  {
    name: 'nothing happens while it is prepared',
    pod: pod({ containers: [C] }),
    view: view({}, { sandbox: 'preparing' }),
    actions: [],
  },
  {
    name: 'all containers start together',
    pod: pod({ containers: [C, D] }),
    view: view({}),
    actions: [start('c'), start('d')],
  },
  {
    name: 'a busy container is left alone',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ busy: 'starting' }) }),
    actions: [],
  },
  {
    name: 'init containers run one after the other',
    pod: pod({ initContainers: [I, J], containers: [C] }),
    view: view({}),
    actions: [start('i1')],
  },
  {
    name: 'the second begins when the first has ended well',
    pod: pod({ initContainers: [I, J], containers: [C] }),
    view: view({ i1: container({ current: exited(0) }) }),
    actions: [start('i2')],
  },
  {
    name: 'a failed init container is repeated at once the first time',
    pod: pod({ initContainers: [I], containers: [C] }),
    view: view({ i1: container({ current: exited(1) }) }),
    actions: [start('i1', 1, 10_000)],
  },
  {
    name: 'a failed init container ends a pod that never restarts',
    pod: pod({ restartPolicy: 'Never', initContainers: [I], containers: [C] }),
    view: view({ i1: container({ current: exited(1) }) }),
    actions: [{ kind: 'release' }],
  },
  {
    name: 'init containers are not run again once a container has been made',
    pod: pod({ initContainers: [I], containers: [C] }),
    view: view({ c: container({ current: exited(1) }) }),
    actions: [start('c', 1, 10_000)],
  },
  {
    name: 'a sidecar starts before the init containers after it',
    pod: pod({ initContainers: [S, I], containers: [C] }),
    view: view({ s: container({ current: instance(), started: false }) }),
    actions: [],
  },
  {
    name: 'a started sidecar lets the next one begin',
    pod: pod({ initContainers: [S, I], containers: [C] }),
    view: view({ s: container({ current: instance() }) }),
    actions: [start('i1')],
  },
  {
    name: 'a crash after a crash waits for its back-off',
    pod: pod({ containers: [C] }),
    view: view({
      c: container({ current: exited(1, { attempt: 1, backoffMs: 10_000, startedAt: at(3), finishedAt: at(2) }) }),
    }),
    actions: [],
    wakeIn: 8,
    waiting: { c: 'CrashLoopBackOff: back-off 10s restarting failed container=c pod=p_n(u)' },
  },
  {
    name: 'the back-off doubles',
    pod: pod({ containers: [C] }),
    view: view({
      c: container({ current: exited(1, { attempt: 4, backoffMs: 80_000, startedAt: at(90), finishedAt: at(80) }) }),
    }),
    actions: [start('c', 5, 160_000)],
  },
  {
    name: 'the back-off ends at five minutes',
    pod: pod({ containers: [C] }),
    view: view({
      c: container({ current: exited(1, { attempt: 9, backoffMs: 300_000, startedAt: at(400), finishedAt: at(300) }) }),
    }),
    actions: [start('c', 10, 300_000)],
  },
  {
    name: 'a long run makes the next crash the first again',
    pod: pod({ containers: [C] }),
    view: view({
      c: container({ current: exited(1, { attempt: 9, backoffMs: 300_000, startedAt: at(601), finishedAt: at(1) }) }),
    }),
    actions: [start('c', 10, 10_000)],
  },
  {
    name: 'OnFailure leaves a success alone and releases the pod',
    pod: pod({ restartPolicy: 'OnFailure', containers: [C] }),
    view: view({ c: container({ current: exited(0) }) }),
    actions: [{ kind: 'release' }],
  },
  {
    name: 'OnFailure restarts a failure',
    pod: pod({ restartPolicy: 'OnFailure', containers: [C, D] }),
    view: view({ c: container({ current: exited(0) }), d: container({ current: exited(2) }) }),
    actions: [start('d', 1, 10_000)],
  },
  {
    name: 'sidecars are stopped when the containers are done',
    pod: pod({ restartPolicy: 'Never', initContainers: [S], containers: [C] }),
    view: view({ s: container({ current: instance() }), c: container({ current: exited(0) }) }),
    actions: [{ kind: 'stop', container: 's', graceSeconds: 30, message: 'Stopping container s' }],
  },
  {
    name: 'a released pod rests',
    pod: pod({ restartPolicy: 'Never', containers: [C] }),
    view: view({ c: container({ current: exited(0) }) }, { sandbox: 'released' }),
    actions: [],
  },
  {
    name: 'a failed liveness probe stops the container with the grace of the probe',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ current: instance(), unhealthy: { probe: 'liveness', graceSeconds: 5 } }) }),
    actions: [
      {
        kind: 'stop',
        container: 'c',
        graceSeconds: 5,
        message: 'Container c failed liveness probe, will be restarted',
      },
    ],
  },
  {
    name: 'a lost monitor is replaced without grace',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ current: instance({ lost: true }) }) }),
    actions: [
      { kind: 'stop', container: 'c', graceSeconds: 0, message: 'Container c lost its monitor, will be restarted' },
    ],
  },
  {
    name: 'another image in the spec restarts the container',
    pod: pod({ terminationGracePeriodSeconds: 7, containers: [{ ...C, image: 'other' }] }),
    view: view({ c: container({ current: instance() }) }),
    actions: [
      { kind: 'stop', container: 'c', graceSeconds: 7, message: 'Container c definition changed, will be restarted' },
    ],
  },
  {
    name: 'a container made but not started goes on as the same run',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ current: instance({ state: 'created', attempt: 3, backoffMs: 40_000 }) }) }),
    actions: [start('c', 3, 40_000)],
  },
  {
    name: 'a failed pull waits, then is called a back-off',
    pod: pod({ containers: [C] }),
    view: view({
      c: container({
        problem: {
          reason: 'ErrImagePull',
          message: 'no',
          retryAtMs: NOW + 10_000,
          later: { atMs: NOW - 1, reason: 'ImagePullBackOff', message: 'Back-off' },
        },
      }),
    }),
    actions: [],
    wakeIn: 10,
    waiting: { c: 'ImagePullBackOff: Back-off' },
  },
  {
    name: 'after a reboot the count goes on',
    pod: pod({ containers: [C] }, { containerStatuses: [{ name: 'c', restartCount: 4, containerID: 'crun://u-4-c' }] }),
    view: view({}),
    actions: [start('c', 5, 0)],
  },
  {
    name: 'a deletion stops containers before sidecars',
    pod: pod({ initContainers: [S], containers: [C] }),
    view: view(
      { s: container({ current: instance() }), c: container({ current: instance() }) },
      { ending: deleted(9) },
    ),
    actions: [{ kind: 'stop', container: 'c', graceSeconds: 9, message: 'Stopping container c' }],
  },
  {
    name: 'sidecars follow when the containers are gone',
    pod: pod({ initContainers: [S], containers: [C] }),
    view: view({ s: container({ current: instance() }), c: container({ current: exited(0) }) }, { ending: deleted(9) }),
    actions: [{ kind: 'stop', container: 's', graceSeconds: 9, message: 'Stopping container s' }],
  },
  {
    name: 'a deleted pod without live containers is finished',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ current: exited(0) }) }, { ending: deleted(9) }),
    actions: [{ kind: 'finish' }],
  },
  {
    name: 'without any grace nobody is asked',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ current: instance() }) }, { ending: deleted(0) }),
    actions: [{ kind: 'finish' }],
  },
  {
    name: 'a start under way is waited for',
    pod: pod({ containers: [C] }),
    view: view({ c: container({ busy: 'starting' }) }, { ending: deleted(0) }),
    actions: [],
  },
  {
    name: 'an evicted pod keeps its object',
    pod: pod({ containers: [C] }),
    view: view(
      { c: container({ current: exited(137) }) },
      { ending: { deleted: false, reason: 'Evicted', message: '', graceSeconds: 0 } },
    ),
    actions: [{ kind: 'release' }],
  },
  {
    name: 'a pod past its deadline is ended',
    pod: pod({ activeDeadlineSeconds: 599, containers: [C] }),
    view: view({ c: container({ current: instance() }) }),
    actions: [
      {
        kind: 'end',
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      },
    ],
  },
  {
    name: 'a deadline ahead is waited for',
    pod: pod({ activeDeadlineSeconds: 660, containers: [C] }),
    view: view({ c: container({ current: instance() }) }),
    actions: [],
    wakeIn: 60,
  },
];

describe('the plan of a pod', () => {
  test.each(rows)('$name', (row) => {
    const result = plan(row.pod, row.view, NOW);
    expect(result.actions).toEqual(row.actions);
    expect(result.wakeAtMs === null ? undefined : (result.wakeAtMs - NOW) / 1000).toBe(row.wakeIn);
    const waiting = Object.fromEntries([...result.waiting].map(([name, w]) => [name, `${w.reason}: ${w.message}`]));
    expect(waiting).toEqual(row.waiting ?? {});
  });
});

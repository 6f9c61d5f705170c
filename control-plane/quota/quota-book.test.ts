import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type corev1, KINDS, type KubeObject, type ResourceType } from '../../proto/index.ts';
import { amountsText, readAmounts } from './amounts.ts';
import { charge, countUsed, differenceOf } from './quota-book.ts';
import { concernsKind } from './usage.ts';

const NOW = Date.UTC(2026, 0, 1);

function quota(hard: Record<string, string>, spec: Partial<corev1.ResourceQuotaSpec> = {}): corev1.ResourceQuota {
  return { metadata: { name: 'q' }, spec: { hard, ...spec } };
}

function pod(resources: corev1.ResourceRequirements = {}, spec: Partial<corev1.PodSpec> = {}): corev1.Pod {
  return { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', resources }], ...spec } };
}

const requests = (list: Record<string, string>): corev1.ResourceRequirements => ({ requests: list });
const ended = (phase: string): corev1.Pod => ({ ...pod(requests({ cpu: '1' })), status: { phase } });

function costOf(book: corev1.ResourceQuota, after: KubeObject, type: ResourceType, before?: KubeObject): string {
  return amountsText(differenceOf(book, { kind: type, before, after, nowMs: NOW }));
}

const erase = <T extends KubeObject>(type: ResourceType<T>): ResourceType => type as unknown as ResourceType;
const Pod = erase(KINDS.Pod);

describe('what objects use', () => {
  const all = {
    'count/deployments.apps': '9',
    'count/pods': '9',
    pods: '9',
    cpu: '9',
    'requests.cpu': '9',
    'limits.cpu': '9',
    'requests.memory': '9Gi',
    'requests.storage': '9Gi',
    'requests.example.com/gpu': '9',
    'gold.storageclass.storage.k8s.io/requests.storage': '9Gi',
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '9',
    persistentvolumeclaims: '9',
    services: '9',
    'services.nodeports': '9',
    'services.loadbalancers': '9',
  };
  const sidecar = { name: 's', restartPolicy: 'Always', resources: requests({ cpu: '100m' }) };
  const init = (cpu: string) => ({ name: 'i', resources: requests({ cpu }) });
  const port = { port: 80 };
  const rows: [string, KubeObject, ResourceType, string][] = [
    ['a pod that asks for nothing', pod(), Pod, 'count/pods=1,pods=1'],
    [
      'a pod with requests and limits',
      pod({ requests: { cpu: '250m', memory: '1Gi', 'example.com/gpu': '2' }, limits: { cpu: '1', memory: '2Gi' } }),
      Pod,
      'count/pods=1,cpu=250m,limits.cpu=1,pods=1,requests.cpu=250m,requests.example.com/gpu=2,requests.memory=1Gi',
    ],
    [
      'a pod whose init container asks for more',
      pod(requests({ cpu: '1' }), { initContainers: [init('3')] }),
      Pod,
      'count/pods=1,cpu=3,pods=1,requests.cpu=3',
    ],
    [
      'a pod with a sidecar before its init container',
      pod(requests({ cpu: '1' }), { initContainers: [sidecar, init('2')] }),
      Pod,
      'count/pods=1,cpu=2100m,pods=1,requests.cpu=2100m',
    ],
    ['a pod with overhead', pod({}, { overhead: { cpu: '5m' } }), Pod, 'count/pods=1,cpu=5m,pods=1,requests.cpu=5m'],
    ['a pod that ended is still an object', ended('Succeeded'), Pod, 'count/pods=1'],
    ['a Deployment', {}, erase(KINDS.Deployment), 'count/deployments.apps=1'],
    ['a Lease, which nobody counts', {}, erase(KINDS.Lease), ''],
    [
      'a claim of a class',
      { spec: { storageClassName: 'gold', resources: requests({ storage: '2Gi' }) } } as KubeObject,
      erase(KINDS.PersistentVolumeClaim),
      'gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/requests.storage=2Gi,' +
        'persistentvolumeclaims=1,requests.storage=2Gi',
    ],
    [
      'a NodePort service',
      { spec: { type: 'NodePort', ports: [port, port] } } as KubeObject,
      erase(KINDS.Service),
      'services=1,services.nodeports=2',
    ],
    [
      'a LoadBalancer service',
      { spec: { type: 'LoadBalancer', ports: [port] } } as KubeObject,
      erase(KINDS.Service),
      'services=1,services.loadbalancers=1,services.nodeports=1',
    ],
    [
      'a LoadBalancer service without node ports',
      { spec: { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [port] } } as KubeObject,
      erase(KINDS.Service),
      'services=1,services.loadbalancers=1',
    ],
  ];
  it.each(rows)('%s', (_, object, type, cost) => expect(costOf(quota(all), object, type)).toBe(cost));

  it('a pod that ends gives back all but its place among the objects', () => {
    const book = quota({ pods: '1', 'count/pods': '1', cpu: '1' });
    expect(costOf(book, ended('Failed'), Pod, ended('Running'))).toBe('cpu=-1,pods=-1');
  });

  it('of quotas over other things is nothing', () => {
    expect(concernsKind(['pods', 'cpu'], KINDS.ConfigMap)).toBe(false);
    expect(concernsKind(['count/configmaps'], KINDS.ConfigMap)).toBe(true);
    expect(concernsKind(['requests.storage'], KINDS.Pod)).toBe(false);
  });
});

describe('scopes', () => {
  const deadline = { activeDeadlineSeconds: 5 };
  const classed = { priorityClassName: 'high' };
  const affine = {
    affinity: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'x', namespaces: ['other'] }] },
    },
  };
  const selector = (scopeName: string, operator: string, values: string[] = []): Partial<corev1.ResourceQuotaSpec> => ({
    scopeSelector: { matchExpressions: [{ scopeName, operator, values }] },
  });
  const rows: [string, Partial<corev1.ResourceQuotaSpec>, corev1.Pod, boolean][] = [
    ['BestEffort counts pods that ask for nothing', { scopes: ['BestEffort'] }, pod(), true],
    ['BestEffort counts no others', { scopes: ['BestEffort'] }, pod(requests({ cpu: '1' })), false],
    ['NotBestEffort the reverse', { scopes: ['NotBestEffort'] }, pod(), false],
    ['Terminating counts pods with a deadline', { scopes: ['Terminating'] }, pod({}, deadline), true],
    ['NotTerminating does not', { scopes: ['NotTerminating'] }, pod({}, deadline), false],
    ['all scopes must hold', { scopes: ['Terminating', 'NotBestEffort'] }, pod({}, deadline), false],
    ['a class among the values', selector('PriorityClass', 'In', ['high']), pod({}, classed), true],
    ['a class not among them', selector('PriorityClass', 'NotIn', ['high']), pod({}, classed), false],
    ['any class', selector('PriorityClass', 'Exists'), pod(), false],
    ['no class', selector('PriorityClass', 'DoesNotExist'), pod(), true],
    ['affinity to other namespaces', { scopes: ['CrossNamespacePodAffinity'] }, pod({}, affine), true],
    ['no affinity to other namespaces', { scopes: ['CrossNamespacePodAffinity'] }, pod(), false],
  ];
  it.each(rows)('%s', (_, spec, object, counted) => {
    expect(costOf(quota({ pods: '1' }, spec), object, Pod)).toBe(counted ? 'pods=1' : '');
  });

  it('count nothing but pods', () => {
    expect(costOf(quota({ configmaps: '1' }, { scopes: ['BestEffort'] }), {}, erase(KINDS.ConfigMap))).toBe('');
  });
});

describe('a charge', () => {
  const of = (book: corev1.ResourceQuota, used: Record<string, string>, after: corev1.Pod, before?: corev1.Pod) =>
    charge(book, readAmounts(used), { kind: Pod, before, after, nowMs: NOW });

  it('is booked while there is room', () => {
    const outcome = of(
      quota({ pods: '2', 'requests.memory': '3Gi' }),
      { pods: '1', 'requests.memory': '1Gi' },
      {
        ...pod(requests({ memory: '2Gi' })),
      },
    );
    expect(outcome).toMatchObject({ result: 'charged', changed: true });
    expect(outcome.result === 'charged' && amountsText(outcome.used)).toBe('pods=2,requests.memory=3Gi');
  });

  it('is refused when there is none, naming only what is exceeded', () => {
    expect(of(quota({ pods: '2', cpu: '4' }), { pods: '2', cpu: '1' }, pod(requests({ cpu: '1' })))).toEqual({
      result: 'refused',
      because: 'exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    });
  });

  it('is refused when containers leave out what is counted', () => {
    const object = pod({}, { initContainers: [{ name: 'a' }] });
    expect(of(quota({ 'limits.cpu': '2', 'requests.memory': '1Gi' }), {}, object)).toEqual({
      result: 'refused',
      because: 'failed quota: q: must specify limits.cpu for: a,c; requests.memory for: a,c',
    });
  });

  it('waits when nobody has counted yet', () => {
    expect(of(quota({ pods: '2' }), {}, pod())).toEqual({ result: 'unknown', names: ['pods'] });
  });

  it('of what goes is never refused, even when more is used than allowed', () => {
    const outcome = of(quota({ pods: '1' }), { pods: '5' }, ended('Failed'), ended('Running'));
    expect(outcome.result === 'charged' && amountsText(outcome.used)).toBe('pods=4');
  });
});

describe('deleted pods whose node is silent', () => {
  const going = (seconds: number): corev1.Pod => ({
    ...pod(),
    metadata: { deletionTimestamp: new Date(NOW - seconds * 1000).toISOString(), deletionGracePeriodSeconds: 30 },
  });
  const count = (object: corev1.Pod): string =>
    amountsText(countUsed(quota({ pods: '9' }), [{ kind: Pod, object }], NOW));
  const refund = (object: corev1.Pod): string =>
    amountsText(differenceOf(quota({ pods: '9' }), { kind: Pod, before: object, after: undefined, nowMs: NOW }));

  it('stop counting, but never twice: no refund is given where a count may have left them out', () => {
    expect([count(going(5)), refund(going(5))]).toEqual(['pods=1', 'pods=-1']);
    expect([count(going(20)), refund(going(20))]).toEqual(['pods=1', '']);
    expect([count(going(31)), refund(going(31))]).toEqual(['pods=0', '']);
  });
});

describe('whatever happens to the pods of a namespace', () => {
  const change = fc.record({
    name: fc.integer({ min: 0, max: 5 }),
    what: fc.constantFrom('create', 'delete', 'end'),
    milli: fc.integer({ min: 0, max: 900 }),
    deadline: fc.boolean(),
  });
  const books = [
    quota({ pods: '3', 'requests.cpu': '2', 'count/pods': '5' }),
    quota({ pods: '2' }, { scopes: ['BestEffort'] }),
    quota({ cpu: '1' }, { scopes: ['Terminating'] }),
  ];

  it('the books say what counting says, and never more than is allowed', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const pods = new Map<number, corev1.Pod>();
        let used = books.map((book) => countUsed(book, [], NOW));
        for (const { name, what, milli, deadline } of changes) {
          const before = pods.get(name);
          if ((what === 'create') === (before !== undefined)) continue;
          const made = pod(
            milli === 0 ? {} : requests({ cpu: `${milli}m` }),
            deadline ? { activeDeadlineSeconds: 9 } : {},
          );
          const ending = { ...before, status: { phase: 'Failed' } };
          const after = what === 'create' ? made : what === 'end' ? ending : undefined;
          const outcomes = books.map((book, i) =>
            charge(book, used[i] ?? new Map(), { kind: Pod, before, after, nowMs: NOW }),
          );
          if (outcomes.some(({ result }) => result !== 'charged')) {
            // Only what is new can be too much, or leave out what must be said.
            expect(what).toBe('create');
            continue;
          }
          used = outcomes.map((outcome) => new Map(outcome.result === 'charged' ? outcome.used : []));
          if (after === undefined) pods.delete(name);
          else pods.set(name, after);
        }
        const objects = [...pods.values()].map((object) => ({ kind: Pod, object }));
        for (const [i, book] of books.entries()) {
          expect(amountsText(used[i] ?? new Map())).toBe(amountsText(countUsed(book, objects, NOW)));
          for (const [name, hard] of readAmounts(book.spec?.hard)) {
            expect((used[i]?.get(name)?.nano ?? 0n) <= hard.nano).toBe(true);
          }
        }
      }),
    );
  });
});

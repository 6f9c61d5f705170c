import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import type { Attempt } from './attempt.ts';
import { authorize } from './authorize.ts';
import type { ClusterGraph } from './cluster-graph.ts';
import { podReferences } from './pod-references.ts';

const POD: corev1.Pod = {
  metadata: { namespace: 'shop', name: 'web' },
  spec: {
    serviceAccountName: 'runner',
    imagePullSecrets: [{ name: 'pull' }],
    initContainers: [{ name: 'i', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's1', key: 'k' } } }] }],
    containers: [
      { name: 'c', envFrom: [{ secretRef: { name: 's2' } }, { configMapRef: { name: 'm1' } }] },
      { name: 'd', env: [{ name: 'B', valueFrom: { configMapKeyRef: { name: 'm2', key: 'k' } } }] },
    ],
    ephemeralContainers: [{ name: 'e', envFrom: [{ secretRef: { name: 's3' } }] }],
    volumes: [
      { name: 'v1', secret: { secretName: 's4' } },
      { name: 'v2', configMap: { name: 'm3' } },
      { name: 'v3', projected: { sources: [{ secret: { name: 's5' } }, { configMap: { name: 'm4' } }] } },
      { name: 'v4', persistentVolumeClaim: { claimName: 'p1' } },
      { name: 'v5', ephemeral: {} },
      { name: 'v6', emptyDir: {} },
    ],
  },
};

test('a pod refers to everything it names, wherever it does', () => {
  const { secrets, configMaps, claims, serviceAccount } = podReferences(POD);
  expect([...secrets].sort()).toEqual(['pull', 's1', 's2', 's3', 's4', 's5']);
  expect([...configMaps].sort()).toEqual(['m1', 'm2', 'm3', 'm4']);
  expect([...claims].sort()).toEqual(['p1', 'web-v5']);
  expect(serviceAccount).toBe('runner');
});

describe('rules', () => {
  const graph: ClusterGraph = {
    nodeOfPod: (_, name) => ({ mine: 'a', theirs: 'b', waiting: '' })[name],
    isReferred: (node, what, { name }) => node === 'a' && podReferences(POD)[what].has(name),
    isMounted: (node, volume) => node === 'a' && volume === 'pv1',
    runsAs: (node, { name }) => node === 'a' && name === 'runner',
    isServedByIngress: ({ name }) => name === 'tls',
  };
  const node = { user: 'system:node:a', groups: ['system:nodes'], internal: false };
  const ask = (text: string, caller = node): string => {
    const [verb = '', path = '', fieldSelector = ''] = text.split(' ');
    const [kind = '', namespace = '', name = ''] = path.split(',');
    const [whole = '', subresource = ''] = kind.split('/');
    const [resource = '', ...group] = whole.split('.');
    const attempt: Attempt = { verb, group: group.join('.'), resource, subresource, namespace, name, fieldSelector };
    const verdict = authorize(caller, attempt, graph);
    return verdict === undefined ? 'yes' : verdict === 'missing' ? 'missing' : 'no';
  };

  test.each([
    ['get pods,shop,mine', 'yes'],
    ['get pods,shop,theirs', 'no'],
    ['get pods,shop,waiting', 'no'],
    ['get pods,shop,nobody', 'missing'],
    ['list pods, spec.nodeName=a', 'yes'],
    ['list pods, spec.nodeName=a,status.phase=Running', 'yes'],
    ['list pods, spec.nodeName!=a', 'no'],
    ['list pods, spec.nodeName=b', 'no'],
    ['watch pods', 'no'],
    ['list pods/peers', 'yes'],
    ['update pods,shop,mine', 'no'],
    ['update pods/status,shop,mine', 'yes'],
    ['patch pods/status,shop,theirs', 'no'],
    ['delete pods,shop,mine', 'yes'],
    ['deletecollection pods,shop', 'no'],
    ['create pods/eviction,shop,theirs', 'no'],
    ['create pods/binding,shop,waiting', 'no'],
    ['create pods/ephemeralcontainers,shop,mine', 'no'],
    ['get secrets,shop,s1', 'yes'],
    ['get secrets,shop,tls', 'yes'],
    ['get secrets,shop,other', 'no'],
    ['list secrets,shop', 'no'],
    ['list secrets,shop metadata.name=s1', 'yes'],
    ['watch secrets,shop metadata.name=s1', 'yes'],
    ['watch secrets, metadata.name=s1', 'no'],
    ['list secrets,shop metadata.name!=s1', 'no'],
    ['update secrets,shop,s1', 'no'],
    ['get configmaps,shop,m4', 'yes'],
    ['watch configmaps,kube-system metadata.name=kube-dns', 'yes'],
    ['get configmaps,kube-system,other', 'no'],
    ['get persistentvolumeclaims,shop,web-v5', 'yes'],
    ['get persistentvolumes,,pv1', 'yes'],
    ['get persistentvolumes,,pv2', 'no'],
    ['create serviceaccounts/token,shop,runner', 'yes'],
    ['create serviceaccounts/token,shop,default', 'no'],
    ['get nodes,,b', 'yes'],
    ['update nodes,,b', 'no'],
    ['patch nodes/status,,a', 'yes'],
    ['delete nodes,,a', 'no'],
    ['update leases.coordination.k8s.io,kube-node-lease,a', 'yes'],
    ['update leases.coordination.k8s.io,kube-node-lease,b', 'no'],
    ['create leases.coordination.k8s.io,kube-system,a', 'no'],
    ['get csinodes.storage.k8s.io,,b', 'no'],
    ['update customthings.example.com,shop,x', 'no'],
  ])('%s: %s', (attempt, verdict) => {
    expect(ask(attempt)).toBe(verdict);
  });

  test('who names itself a node without the group of nodes may do nothing, nor anybody else', () => {
    expect(ask('get nodes,,a', { ...node, groups: [] })).toBe('no');
    expect(ask('get nodes,,a', { ...node, user: 'alice' })).toBe('no');
    expect(ask('get secrets,shop,x', { ...node, groups: ['system:masters'] })).toBe('yes');
  });
});

import { describe, expect, it } from 'vitest';
import { allKinds, KINDS } from '../../proto/index.ts';
import {
  allDefinitions,
  buildRegistry,
  definitionOf,
  findDefinition,
  resolveResource,
  unknownKind,
} from './registry.ts';

describe('the registry', () => {
  it('defines every kind of the schema', () => {
    expect(
      allDefinitions()
        .map((d) => d.type.kind)
        .sort(),
    ).toEqual(
      allKinds()
        .map((k) => k.kind)
        .sort(),
    );
    for (const type of allKinds()) expect(findDefinition(type.apiVersion, type.kind)?.type).toBe(type);
  });

  it('refuses two definitions of one name', () => {
    const pod = resolveResource('pod');
    expect(() => buildRegistry([pod, pod])).toThrow('two definitions claim "v1 Pod"');
    const other = { ...pod, type: { ...pod.type, kind: 'Pool', plural: 'pools', singular: 'pool' } };
    expect(() => buildRegistry([pod, other])).toThrow('two definitions claim "po"');
  });

  it('tells a kind from one of the same name in another version', () => {
    expect(findDefinition('apps/v1', 'Pod')).toBeUndefined();
    expect(definitionOf(KINDS.Pod).type).toBe(KINDS.Pod);
  });

  it.each([
    ['po', 'Pod'],
    ['pods', 'Pod'],
    ['Pod', 'Pod'],
    ['pods.v1', 'Pod'],
    ['deploy', 'Deployment'],
    ['deployments.apps', 'Deployment'],
    ['Deployment.apps', 'Deployment'],
    ['deployments.v1.apps', 'Deployment'],
    ['rs', 'ReplicaSet'],
    ['cm', 'ConfigMap'],
    ['ns', 'Namespace'],
    ['no', 'Node'],
    ['ev', 'Event'],
    ['secret', 'Secret'],
    ['leases.coordination.k8s.io', 'Lease'],
  ])('%s means %s', (text, kind) => {
    expect(resolveResource(text).type.kind).toBe(kind);
  });

  it.each([
    ['deploymnts', 'the server has no resource type "deploymnts"; did you mean "deployments"?'],
    ['pds', 'did you mean "po'],
    ['zebracrossings', 'the server has no resource type "zebracrossings"'],
  ])('does not know %s', (text, message) => {
    expect(() => resolveResource(text)).toThrow(message);
  });

  it.each([
    ['extensions/v1beta1', 'Deployment', 'it was removed in Kubernetes 1.16; use apiVersion: apps/v1'],
    ['apps/v1beta2', 'ReplicaSet', 'it was removed in Kubernetes 1.16; use apiVersion: apps/v1'],
    ['networking.k8s.io/v1beta1', 'Ingress', 'it was removed in Kubernetes 1.22; use apiVersion: networking.k8s.io/v1'],
    ['batch/v1beta1', 'CronJob', 'it was removed in Kubernetes 1.25; use apiVersion: batch/v1'],
    ['policy/v1beta1', 'PodSecurityPolicy', 'it was removed in Kubernetes 1.25; use the pod-security labels'],
    ['v1', 'Deployment', 'the server has no kind "Deployment" in version "v1"; use apiVersion: apps/v1'],
    ['apps/v1', 'Deploymet', 'did you mean Deployment of apps/v1?'],
    ['example.com/v1', 'Zebra', 'the server has no kind "Zebra" in version "example.com/v1"'],
  ])('says of %s %s what to use instead', (apiVersion, kind, message) => {
    expect(unknownKind(apiVersion, kind).message).toContain(message);
  });
});

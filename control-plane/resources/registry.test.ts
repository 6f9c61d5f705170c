import { describe, expect, it } from 'vitest';
import { allKinds, KINDS } from '../../proto/index.ts';
import { allDefinitions, buildRegistry, definitionOf, findDefinition, resolveResource } from './registry.ts';
import { removedVersion } from './removed-versions.ts';

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
    ['deploymnts', `the server doesn't have a resource type "deploymnts"; did you mean "deployments"?`],
    ['pds', 'did you mean "po'],
    ['zebracrossings', `the server doesn't have a resource type "zebracrossings"`],
  ])('does not know %s', (text, message) => {
    expect(() => resolveResource(text)).toThrow(message);
  });
});

describe('removed versions', () => {
  it.each([
    ['extensions/v1beta1', 'Deployment', '1.16', 'apps/v1'],
    ['apps/v1beta2', 'ReplicaSet', '1.16', 'apps/v1'],
    ['networking.k8s.io/v1beta1', 'Ingress', '1.22', 'networking.k8s.io/v1'],
    ['coordination.k8s.io/v1beta1', 'Lease', '1.22', 'coordination.k8s.io/v1'],
    ['batch/v1beta1', 'CronJob', '1.25', 'batch/v1'],
  ])('%s %s went in %s: use %s', (apiVersion, kind, since, use) => {
    expect(removedVersion(apiVersion, kind)).toEqual({ since, use });
  });

  it('give advice where nothing replaces them', () => {
    expect(removedVersion('policy/v1beta1', 'PodSecurityPolicy')?.advice).toContain('pod-security labels');
  });

  it('are none of what is served, and none of what never was', () => {
    for (const { type } of allDefinitions()) expect(removedVersion(type.apiVersion, type.kind)).toBeUndefined();
    expect(removedVersion('example.com/v1', 'Zebra')).toBeUndefined();
  });
});

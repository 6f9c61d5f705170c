import { describe, expect, it } from 'vitest';
import type { corev1, storagev1 } from '../../../proto/index.ts';
import { chooseDefault } from './default-class.ts';
import { claimProblems, podProblems } from './limit-range-bounds.ts';
import { fillIn } from './limit-range-defaults.ts';

const range = (...limits: corev1.LimitRangeItem[]): corev1.LimitRange => ({ spec: { limits } });

describe('defaults of a LimitRange', () => {
  const ranges = [
    range({ type: 'Container', default: { cpu: '1', memory: '1Gi' }, defaultRequest: { cpu: '100m' } }),
    range({ type: 'Pod', max: { cpu: '4' } }),
  ];
  const filled = (pod: corev1.Pod): corev1.Pod => {
    fillIn(pod, ranges);
    return pod;
  };

  it('are given to containers and init containers that name none, and noted', () => {
    const pod = filled({ spec: { containers: [{ name: 'a' }], initContainers: [{ name: 'i' }] } });
    const resources = { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m' } };
    expect(pod.spec).toEqual({ containers: [{ name: 'a', resources }], initContainers: [{ name: 'i', resources }] });
    expect(pod.metadata?.annotations).toEqual({
      'kubernetes.io/limit-ranger':
        'LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a; ' +
        'cpu request for init container i; cpu, memory limit for init container i',
    });
  });

  it('leave alone what is named', () => {
    const resources = { limits: { cpu: '2', memory: '2Gi' }, requests: { cpu: '1' } };
    const pod = filled({ spec: { containers: [{ name: 'a', resources }] } });
    expect(pod).toEqual({ spec: { containers: [{ name: 'a', resources }] } });
    const partly = filled({ spec: { containers: [{ name: 'a', resources: { limits: { cpu: '2' } } }] } });
    expect(partly.spec?.containers?.[0]?.resources).toEqual({
      limits: { cpu: '2', memory: '1Gi' },
      requests: { cpu: '100m' },
    });
  });
});

describe('bounds of a LimitRange', () => {
  const container = (requests: Record<string, string>, limits: Record<string, string> = {}): corev1.Container => ({
    name: 'c',
    resources: { requests, limits },
  });
  const rows: [string, corev1.LimitRangeItem, corev1.Container[], string[]][] = [
    [
      'within',
      { type: 'Container', min: { cpu: '1' }, max: { cpu: '2' } },
      [container({ cpu: '1' }, { cpu: '2' })],
      [],
    ],
    [
      'a request too small',
      { type: 'Container', min: { cpu: '200m' } },
      [container({ cpu: '100m' })],
      ['minimum cpu usage per Container is 200m, but request is 100m'],
    ],
    [
      'no request',
      { type: 'Container', min: { cpu: '200m' } },
      [container({})],
      ['minimum cpu usage per Container is 200m. No request is specified'],
    ],
    [
      'a limit too small',
      { type: 'Container', min: { cpu: '2' } },
      [container({ cpu: '2' }, { cpu: '1' })],
      ['minimum cpu usage per Container is 2, but limit is 1'],
    ],
    [
      'a limit too large',
      { type: 'Container', max: { memory: '1Gi' } },
      [container({}, { memory: '1536Mi' })],
      ['maximum memory usage per Container is 1Gi, but limit is 1536Mi'],
    ],
    [
      'no limit',
      { type: 'Container', max: { memory: '1Gi' } },
      [container({ memory: '1Mi' })],
      ['maximum memory usage per Container is 1Gi. No limit is specified'],
    ],
    [
      'a ratio too large',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      [container({ cpu: '1' }, { cpu: '5' })],
      ['cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000'],
    ],
    [
      'a ratio of nothing',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      [container({})],
      ['cpu max limit to request ratio per Container is 2, but no request is specified or request is 0'],
    ],
    [
      'a pod that is too large together',
      { type: 'Pod', max: { cpu: '3' } },
      [container({}, { cpu: '2' }), container({}, { cpu: '2' })],
      ['maximum cpu usage per Pod is 3, but limit is 4'],
    ],
    [
      'a pod whose containers are each too small',
      { type: 'Pod', min: { cpu: '1' } },
      [container({ cpu: '600m' }), container({ cpu: '600m' })],
      [],
    ],
    [
      'several at once',
      { type: 'Container', min: { cpu: '1', memory: '1Gi' } },
      [container({ cpu: '1m', memory: '1Mi' })],
      [
        'minimum cpu usage per Container is 1, but request is 1m',
        'minimum memory usage per Container is 1Gi, but request is 1Mi',
      ],
    ],
  ];
  it.each(rows)('%s', (_, item, containers, problems) => {
    expect(podProblems({ spec: { containers } }, [item])).toEqual(problems);
  });

  it('hold for claims', () => {
    const item = { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } };
    const claim = (storage: string): corev1.PersistentVolumeClaim => ({
      spec: { resources: { requests: { storage } } },
    });
    expect(claimProblems(claim('2Gi'), [item])).toEqual([]);
    expect(claimProblems(claim('3Gi'), [item])).toEqual([
      'maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
    ]);
    expect(claimProblems(claim('1Mi'), [item])).toEqual([
      'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi',
    ]);
  });
});

describe('the default class', () => {
  const storageClass = (name: string, day: string, isDefault = true): storagev1.StorageClass => ({
    metadata: {
      name,
      creationTimestamp: `2026-01-${day}T00:00:00Z`,
      annotations: { 'storageclass.kubernetes.io/is-default-class': String(isDefault) },
    },
  });
  const chosen = (...classes: storagev1.StorageClass[]): string | undefined =>
    chooseDefault(classes, ['storageclass.kubernetes.io/is-default-class']);

  it('is the one marked, of several the newest, of those the first by name', () => {
    expect(chosen(storageClass('a', '01', false))).toBeUndefined();
    expect(chosen(storageClass('a', '01'), storageClass('b', '02'), storageClass('c', '03', false))).toBe('b');
    expect(chosen(storageClass('z', '02'), storageClass('b', '02'))).toBe('b');
  });
});

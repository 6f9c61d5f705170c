import { describe, expect, it } from 'vitest';
import { type corev1, type Json, type JsonObject, KINDS, toJson } from '../../proto/index.ts';
import { persistentVolume } from './persistent-volume.ts';
import { persistentVolumeClaim } from './persistent-volume-claim.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const NOW = '2026-01-02T03:04:05Z';
const claim: Json = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data', namespace: 'shop' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const volume: Json = {
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'pv1' },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, nfs: { server: 's', path: '/data' } },
};
const affinity: Json = {
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'Exists' }] }] },
};
/** The volume with another source in place of its own. */
const withSource = (name: string, source: JsonObject): Json =>
  withValue(withValue(volume, 'spec.nfs', undefined), `spec.${name}`, source);

describe('a claim', () => {
  it('is valid, gets the defaults of Kubernetes, and starts pending', () => {
    expect(problemsOf(claim)).toEqual([]);
    const object = readObject<corev1.PersistentVolumeClaim>(withValue(claim, 'status', { phase: 'Bound' }));
    persistentVolumeClaim.prepareForCreate?.(object, { user: 'ann', now: NOW });
    expect([object.spec?.volumeMode, object.status]).toEqual(['Filesystem', { phase: 'Pending' }]);
  });

  it('says what it is filled from in both spellings', () => {
    const prepared = (json: Json): corev1.PersistentVolumeClaimSpec | undefined => {
      const object = readObject<corev1.PersistentVolumeClaim>(json);
      persistentVolumeClaim.prepareForCreate?.(object, { user: 'ann', now: NOW });
      return object.spec;
    };
    const source = { kind: 'PersistentVolumeClaim', name: 'old' };
    expect(prepared(withValue(claim, 'spec.dataSource', source))?.dataSourceRef).toEqual(source);
    expect(prepared(withValue(claim, 'spec.dataSourceRef', source))?.dataSource).toEqual(source);
    expect(prepared(withValue(claim, 'spec.dataSourceRef', { ...source, namespace: 'x' }))?.dataSource).toBeUndefined();
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['spec.accessModes', [], 'spec.accessModes: Required value: at least 1 access mode is required'],
    [
      'spec.accessModes',
      ['Sometimes'],
      'spec.accessModes[0]: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", …',
    ],
    [
      'spec.accessModes',
      ['ReadWriteOncePod', 'ReadWriteOnce'],
      'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
    ],
    ['spec.resources', {}, 'spec.resources[storage]: Required value'],
    ['spec.resources.requests.storage', '0', 'spec.resources[storage]: Invalid value: "0": must be greater than zero'],
    ['spec.resources.requests.storage', '-1Gi', 'spec.resources[storage]: Invalid value: "-1Gi": must be…'],
    [
      'spec.selector',
      { matchExpressions: [{ key: 'a', operator: 'In' }] },
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
    ['spec.storageClassName', 'Fast', 'spec.storageClassName: Invalid value: "Fast": a lowercase RFC 1123 subdomain…'],
    ['spec.volumeAttributesClassName', 'X', 'spec.volumeAttributesClassName: Invalid value: "X": a lowercase…'],
    ['spec.volumeMode', 'Tape', 'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
    [
      'spec.dataSource',
      { kind: 'Pod', name: 'x' },
      `spec.dataSource: Invalid value: "Pod": must be 'PersistentVolumeClaim' when referencing the default apiGroup`,
    ],
    ['spec.dataSource', { kind: 'PersistentVolumeClaim' }, 'spec.dataSource.name: Required value'],
  ])('is refused for %s %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(claim, path, value)), problem);
  });

  it('may not say two different sources', () => {
    const both = withValue(
      withValue(claim, 'spec.dataSource', { kind: 'PersistentVolumeClaim', name: 'a' }),
      'spec.dataSourceRef',
      {
        kind: 'PersistentVolumeClaim',
        name: 'b',
      },
    );
    expectProblem(
      problemsOf(both),
      'spec.dataSource: Invalid value: {"kind":"PersistentVolumeClaim","name":"a"}: must match dataSourceRef',
    );
  });

  const bound = withValue(withValue(claim, 'spec.volumeName', 'pv1'), 'status', {
    phase: 'Bound',
    capacity: { storage: '1Gi' },
  });
  it('may grow when it is bound, and take back what was not granted', () => {
    const size = (json: Json, text: string): Json => withValue(json, 'spec.resources.requests.storage', text);
    expect(updateProblems(size(bound, '2Gi'), bound)).toEqual([]);
    expect(updateProblems(size(bound, '2Gi'), size(bound, '3Gi'))).toEqual([]);
    expect(updateProblems(size(bound, '512Mi'), bound)).toEqual([
      'spec.resources.requests.storage: Forbidden: field can not be less than status.capacity',
    ]);
    expect(updateProblems(withValue(claim, 'spec.volumeName', 'pv1'), claim)).toEqual([]);
    expect(updateProblems(withValue(claim, 'spec.storageClassName', 'fast'), claim)).toEqual([]);
  });

  const rule =
    'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims; ';
  it.each<[old: Json, path: string, value: Json, problem: string]>([
    [
      claim,
      'spec.accessModes',
      ['ReadOnlyMany'],
      `${rule}accessModes was ["ReadWriteOnce"] and would be ["ReadOnlyMany"]`,
    ],
    [
      claim,
      'spec.resources.requests.storage',
      '2Gi',
      `${rule}resources.requests was {"storage":"1Gi"} and would be {"storage":"2Gi"}`,
    ],
    [bound, 'spec.volumeName', 'pv2', `${rule}volumeName was "pv1" and would be "pv2"`],
    [bound, 'spec.storageClassName', 'fast', `${rule}storageClassName was null and would be "fast"`],
    [
      claim,
      'spec.volumeMode',
      'Block',
      'spec.volumeMode: Invalid value: "Block": field is immutable (it was "Filesystem")',
    ],
  ])('keeps the rest: row %#', (old, path, value, problem) => {
    expect(updateProblems(withValue(old, path, value), old)).toEqual([problem]);
  });

  it('warns of parts of a byte', () => {
    const object = readObject<corev1.PersistentVolumeClaim>(
      withValue(claim, 'spec.resources.requests.storage', '100m'),
    );
    expect(persistentVolumeClaim.warnings?.(object)).toEqual([
      'spec.resources.requests.storage: fractional byte value "100m", must be an integer',
    ]);
  });

  it('is shown as kubectl shows it', () => {
    const status = { phase: 'Bound', capacity: { storage: '2Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] };
    const json = withValue(withValue(bound, 'status', status), 'spec.storageClassName', 'fast');
    const cells = (of: Json) => persistentVolumeClaim.columns.map((c) => c.cell(readObject(of)));
    expect(persistentVolumeClaim.columns.map((c) => c.name).join(' ')).toBe(
      'NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE',
    );
    expect(cells(json)).toEqual(['data', 'Bound', 'pv1', '2Gi', 'RWO,RWX', 'fast', '<unset>', '', 'Filesystem']);
    expect(cells(claim)).toEqual(['data', 'Pending', '', '', '', '', '<unset>', '', 'Filesystem']);
    expect(cells(withValue(claim, 'metadata.deletionTimestamp', NOW))[1]).toBe('Terminating');
  });
});

describe('a persistent volume', () => {
  it('is valid, gets the defaults of Kubernetes, and starts pending', () => {
    expect(problemsOf(volume)).toEqual([]);
    const object = readObject<corev1.PersistentVolume>(volume);
    persistentVolume.prepareForCreate?.(object, { user: 'ann', now: NOW });
    expect(toJson(KINDS.PersistentVolume.messageName, object)).toMatchObject({
      spec: { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' },
      status: { phase: 'Pending', lastPhaseTransitionTime: NOW },
    });
    const disk = readObject<corev1.PersistentVolume>(withSource('rbd', { monitors: ['m'], image: 'i' }));
    expect(disk.spec?.rbd).toMatchObject({ pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' });
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['spec.accessModes', undefined, 'spec.accessModes: Required value'],
    ['spec.capacity', undefined, 'spec.capacity: Required value'],
    ['spec.capacity', { cpu: '1' }, 'spec.capacity.cpu: Unsupported value: "cpu": supported values: "storage"'],
    ['spec.capacity', { storage: '0' }, 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
    ['spec.nfs', undefined, 'spec: Required value: must specify a volume type'],
    ['spec.hostPath', { path: '/x' }, 'spec.nfs: Forbidden: may not specify more than 1 volume type'],
    ['spec.nfs.path', 'data', 'spec.nfs.path: Invalid value: "data": must be an absolute path'],
    ['spec.nfs.server', undefined, 'spec.nfs.server: Required value'],
    [
      'spec.persistentVolumeReclaimPolicy',
      'Burn',
      'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"',
    ],
    ['spec.storageClassName', 'A', 'spec.storageClassName: Invalid value: "A": a lowercase…'],
    ['spec.volumeMode', 'Tape', 'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
    [
      'spec.volumeAttributesClassName',
      '',
      'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
    ],
    [
      'spec.volumeAttributesClassName',
      'gold',
      'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
    ],
    ['spec.nodeAffinity', {}, 'spec.nodeAffinity.required: Required value: must specify required node constraints'],
    [
      'spec.nodeAffinity',
      { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In' }] }] } },
      'spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be…',
    ],
    ['metadata.namespace', 'shop', 'metadata.namespace: Forbidden: not allowed on this type'],
  ])('is refused for %s %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(volume, path, value)), problem);
  });

  it.each<[name: string, source: JsonObject, problem: string]>([
    ['local', { path: '/x' }, 'spec.nodeAffinity: Required value: Local volume requires node affinity'],
    ['hostPath', { path: '/a/../b' }, `spec.hostPath.path: Invalid value: "/a/../b": must not contain '..'`],
    [
      'azureFile',
      { secretName: 's', shareName: 'x', secretNamespace: '' },
      'spec.azureFile.secretNamespace: Invalid value: "": must not…',
    ],
    [
      'glusterfs',
      { endpoints: 'e', path: 'p', endpointsNamespace: 'A' },
      'spec.glusterfs.endpointsNamespace: Invalid value: "A": …',
    ],
    [
      'csi',
      { driver: 'd_x', volumeHandle: 'h' },
      'spec.csi.driver: Invalid value: "d_x": a lowercase RFC 1123 subdomain…',
    ],
    ['csi', { driver: 'd' }, 'spec.csi.volumeHandle: Required value'],
    [
      'csi',
      { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { name: 's' } },
      'spec.csi.nodeStageSecretRef.namespace: Required value',
    ],
    ['cinder', { volumeID: 'v', secretRef: { namespace: 'n' } }, 'spec.cinder.secretRef.name: Required value'],
    ['cephfs', { monitors: ['m'], secretRef: {} }, 'spec.cephfs.secretRef.name: Required value'],
    ['flexVolume', {}, 'spec.flexVolume.driver: Required value'],
    ['rbd', { monitors: [], image: 'i' }, 'spec.rbd.monitors: Required value'],
    ['scaleIO', { gateway: 'g', system: 's', secretRef: { name: 'x' } }, 'spec.scaleIO.volumeName: Required value'],
    ['vsphereVolume', {}, 'spec.vsphereVolume.volumePath: Required value'],
  ])('is refused when its source is no good %s: %j', (name, source, problem) => {
    expectProblem(problemsOf(withSource(name, source)), problem);
  });

  it('may be a folder of a node, but the whole node is never emptied', () => {
    expect(problemsOf(withValue(withSource('local', { path: '/x' }), 'spec.nodeAffinity', affinity))).toEqual([]);
    const root = withValue(withSource('hostPath', { path: '/' }), 'spec.persistentVolumeReclaimPolicy', 'Recycle');
    expect(problemsOf(root)).toEqual([
      "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
    ]);
  });

  it('may be claimed and resized, but stays what it is', () => {
    expect(updateProblems(withValue(volume, 'spec.claimRef', { name: 'c', namespace: 'n' }), volume)).toEqual([]);
    expect(updateProblems(withValue(volume, 'spec.capacity.storage', '2Gi'), volume)).toEqual([]);
    expect(updateProblems(withValue(volume, 'spec.nodeAffinity', affinity), volume)).toEqual([]);
    expect(updateProblems(withValue(volume, 'spec.nfs.path', '/other'), volume)).toEqual([
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation; ' +
        'nfs.path was "/data" and would be "/other"',
    ]);
    expect(updateProblems(withValue(volume, 'spec.volumeMode', 'Block'), volume)).toEqual([
      'spec.volumeMode: Invalid value: "Block": field is immutable (it was "Filesystem")',
    ]);
    const placed = withValue(volume, 'spec.nodeAffinity', affinity);
    expectProblem(
      updateProblems(volume, placed),
      'spec.nodeAffinity: Invalid value: null: field is immutable (required was {…',
    );
    const csi = withSource('csi', { driver: 'd', volumeHandle: 'h' });
    const secret = withValue(csi, 'spec.csi.controllerExpandSecretRef', { name: 's', namespace: 'n' });
    expect(updateProblems(secret, csi)).toEqual([]);
    expect(updateProblems(csi, secret)).toHaveLength(1);
  });

  it('warns of what is outdated', () => {
    const json = withValue(
      withSource('glusterfs', { endpoints: 'e', path: 'p' }),
      'spec.persistentVolumeReclaimPolicy',
      'Recycle',
    );
    expect(persistentVolume.warnings?.(readObject(json)).map((line) => line.split(':')[0])).toEqual([
      'spec.glusterfs',
      'spec.persistentVolumeReclaimPolicy',
    ]);
  });

  it('is shown as kubectl shows it', () => {
    const json = withValue(withValue(volume, 'spec.claimRef', { name: 'c', namespace: 'n' }), 'status', {
      phase: 'Bound',
    });
    expect(persistentVolume.columns.map((c) => [c.name, c.cell(readObject(json))])).toEqual([
      ['NAME', 'pv1'],
      ['CAPACITY', '1Gi'],
      ['ACCESS MODES', 'RWO'],
      ['RECLAIM POLICY', 'Retain'],
      ['STATUS', 'Bound'],
      ['CLAIM', 'n/c'],
      ['STORAGECLASS', ''],
      ['VOLUMEATTRIBUTESCLASS', '<unset>'],
      ['REASON', ''],
      ['AGE', ''],
      ['VOLUMEMODE', 'Filesystem'],
    ]);
  });
});

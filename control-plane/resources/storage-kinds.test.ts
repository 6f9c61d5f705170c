import { describe, expect, it } from 'vitest';
import { type Json, type JsonObject, type storagev1, toJson } from '../../proto/index.ts';
import { definitionFor, problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';
import { volumeAttachment } from './volume-attachment.ts';

const apiVersion = 'storage.k8s.io/v1';
const VALID: Readonly<Record<string, JsonObject>> = {
  StorageClass: { apiVersion, kind: 'StorageClass', metadata: { name: 'fast' }, provisioner: 'example.com/disk' },
  VolumeAttachment: {
    apiVersion,
    kind: 'VolumeAttachment',
    metadata: { name: 'a' },
    spec: { attacher: 'd.example.com', nodeName: 'n1', source: { persistentVolumeName: 'pv1' } },
  },
  CSIDriver: { apiVersion, kind: 'CSIDriver', metadata: { name: 'D.example.com' }, spec: {} },
  CSINode: {
    apiVersion,
    kind: 'CSINode',
    metadata: { name: 'n1' },
    spec: { drivers: [{ name: 'd', nodeID: 'x', topologyKeys: ['zone'] }] },
  },
};
const valid = (kind: string): JsonObject => VALID[kind] ?? {};
const inline = (spec: JsonObject): Json => ({
  inlineVolumeSpec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'd', volumeHandle: 'h' }, ...spec },
});
const I = 'spec.source.inlineVolumeSpec';

describe('the kinds of storage', () => {
  it.each(Object.keys(VALID))('a %s is valid', (kind) => {
    expect(problemsOf(valid(kind))).toEqual([]);
    expect(updateProblems(valid(kind), valid(kind))).toEqual([]);
  });

  it.each<[kind: string, defaults: JsonObject]>([
    ['StorageClass', { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }],
    [
      'CSIDriver',
      {
        spec: {
          attachRequired: true,
          podInfoOnMount: false,
          storageCapacity: false,
          requiresRepublish: false,
          seLinuxMount: false,
          fsGroupPolicy: 'ReadWriteOnceWithFSType',
          volumeLifecycleModes: ['Persistent'],
        },
      },
    ],
  ])('a %s gets the defaults of Kubernetes', (kind, defaults) => {
    expect(toJson(definitionFor(valid(kind)).type.messageName, readObject(valid(kind)))).toMatchObject(defaults);
  });

  it.each<[kind: string, path: string, value: Json | undefined, problem: string]>([
    ['StorageClass', 'provisioner', undefined, 'provisioner: Required value'],
    ['StorageClass', 'provisioner', 'a/b/c', 'provisioner: Invalid value: "a/b/c": a qualified name…'],
    [
      'StorageClass',
      'reclaimPolicy',
      'Recycle',
      'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
    ],
    [
      'StorageClass',
      'volumeBindingMode',
      'Later',
      'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", …',
    ],
    ['StorageClass', 'parameters', { '': 'x' }, 'parameters: Invalid value: "": field can not be empty'],
    [
      'StorageClass',
      'parameters',
      { a: 'x'.repeat(262_144) },
      'parameters: Too long: may not be more than 262144 bytes',
    ],
    [
      'StorageClass',
      'parameters',
      Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`k${i}`, ''])),
      'parameters: Too many: 513: must have at most 512 items',
    ],
    [
      'StorageClass',
      'allowedTopologies',
      [{ matchLabelExpressions: [{ key: 'zone' }] }],
      'allowedTopologies[0].matchLabelExpressions[0].values: Required value',
    ],
    [
      'StorageClass',
      'allowedTopologies',
      [{ matchLabelExpressions: [{ key: 'zone', values: ['a', 'a'] }] }],
      'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"',
    ],
    [
      'StorageClass',
      'allowedTopologies',
      [
        {
          matchLabelExpressions: [
            { key: 'zone', values: ['a'] },
            { key: 'zone', values: ['b'] },
          ],
        },
      ],
      'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"',
    ],
    ['VolumeAttachment', 'spec.attacher', undefined, 'spec.attacher: Required value'],
    [
      'VolumeAttachment',
      'spec.attacher',
      'a_b',
      'spec.attacher: Invalid value: "a_b": a lowercase RFC 1123 subdomain…',
    ],
    ['VolumeAttachment', 'spec.nodeName', 'N', 'spec.nodeName: Invalid value: "N": a lowercase RFC 1123 subdomain…'],
    ['VolumeAttachment', 'spec.source', undefined, 'spec.source: Required value'],
    ['VolumeAttachment', 'spec.source', {}, 'spec.source: Required value'],
    [
      'VolumeAttachment',
      'spec.source',
      { persistentVolumeName: 'a', ...(inline({}) as JsonObject) },
      'spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
    ],
    [
      'VolumeAttachment',
      'spec.source',
      { persistentVolumeName: 'A' },
      'spec.source.persistentVolumeName: Invalid value: "A": …',
    ],
    [
      'VolumeAttachment',
      'spec.source',
      inline({ capacity: { storage: '1Gi' } }),
      `${I}.capacity: Forbidden: may not be specified in the context of inline volumes`,
    ],
    [
      'VolumeAttachment',
      'spec.source',
      { inlineVolumeSpec: { accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } } },
      `${I}.csi: Required value: has to be specified in the context of inline volumes`,
    ],
    ['CSIDriver', 'metadata.name', 'd_x', 'metadata.name: Invalid value: "d_x": a lowercase RFC 1123 subdomain…'],
    ['CSIDriver', 'metadata.name', 'd'.repeat(64), 'metadata.name: Too long: may not be more than 63 bytes'],
    [
      'CSIDriver',
      'spec.fsGroupPolicy',
      'Some',
      'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", …',
    ],
    [
      'CSIDriver',
      'spec.volumeLifecycleModes',
      ['Daily'],
      'spec.volumeLifecycleModes[0]: Unsupported value: "Daily": supported values: …',
    ],
    [
      'CSIDriver',
      'spec.nodeAllocatableUpdatePeriodSeconds',
      5,
      'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 5: must be greater than or equal to 10 seconds',
    ],
    [
      'CSIDriver',
      'spec.tokenRequests',
      [{ audience: 'a' }, { audience: 'a' }],
      'spec.tokenRequests[1].audience: Duplicate value: "a"',
    ],
    [
      'CSIDriver',
      'spec.tokenRequests',
      [{ audience: 'a', expirationSeconds: 60 }],
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
    ],
    [
      'CSIDriver',
      'spec.tokenRequests',
      [{ audience: 'a', expirationSeconds: 2 ** 33 }],
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 8589934592: may not specify a duration larger than 2^32 seconds',
    ],
    ['CSINode', 'spec.drivers.0.nodeID', undefined, 'spec.drivers[0].nodeID: Required value'],
    ['CSINode', 'spec.drivers.0.nodeID', 'x'.repeat(257), 'spec.drivers[0].nodeID: Invalid value: "xxx…'],
    ['CSINode', 'spec.drivers.0.name', 'a_b', 'spec.drivers[0].name: Invalid value: "a_b": …'],
    [
      'CSINode',
      'spec.drivers.0.allocatable',
      { count: -1 },
      'spec.drivers[0].allocatable.count: Invalid value: -1: must be…',
    ],
    ['CSINode', 'spec.drivers.0.topologyKeys', ['-'], 'spec.drivers[0].topologyKeys: Invalid value: "-": name part…'],
    ['CSINode', 'spec.drivers.0.topologyKeys', ['a', 'a'], 'spec.drivers[0].topologyKeys: Duplicate value: "a"'],
    ['CSINode', 'spec.drivers.1', { name: 'd', nodeID: 'y' }, 'spec.drivers[1].name: Duplicate value: "d"'],
  ])('a %s is refused for %s: row %#', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it('an attachment may bring its volume along, and a node may have no drivers', () => {
    expect(problemsOf(withValue(valid('VolumeAttachment'), 'spec.source', inline({})))).toEqual([]);
    expect(problemsOf(withValue(valid('CSINode'), 'spec', {}))).toEqual([]);
  });

  it.each<[kind: string, path: string, value: Json]>([
    ['StorageClass', 'allowVolumeExpansion', true],
    ['StorageClass', 'mountOptions', ['ro']],
    ['StorageClass', 'metadata.annotations', { a: 'b' }],
    ['CSIDriver', 'spec.podInfoOnMount', true],
    ['CSINode', 'spec.drivers.0.allocatable', { count: 3 }],
    ['CSINode', 'spec.drivers', []],
  ])('a %s may change %s', (kind, path, value) => {
    expect(updateProblems(withValue(valid(kind), path, value), valid(kind))).toEqual([]);
  });

  it.each<[kind: string, path: string, value: Json, problem: string]>([
    [
      'StorageClass',
      'provisioner',
      'x',
      'provisioner: Forbidden: updates to provisioner are forbidden; it was "example.com/disk" and would be "x"',
    ],
    [
      'StorageClass',
      'parameters',
      { a: 'b' },
      'parameters: Forbidden: updates to parameters are forbidden; it was null and would be {"a":"b"}',
    ],
    [
      'StorageClass',
      'reclaimPolicy',
      'Retain',
      'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden; it was "Delete" and would be "Retain"',
    ],
    [
      'StorageClass',
      'volumeBindingMode',
      'WaitForFirstConsumer',
      'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable (it was "Immediate")',
    ],
    [
      'VolumeAttachment',
      'spec.nodeName',
      'n2',
      'spec: Invalid value: {"attacher":"d.example.com","nodeName":"n2","source":{"persistentVolumeName":"pv1"}}: field is immutable (nodeName was "n1" and would be "n2")',
    ],
    [
      'CSIDriver',
      'spec.attachRequired',
      false,
      'spec.attachRequired: Invalid value: false: field is immutable (it was true)',
    ],
    [
      'CSIDriver',
      'spec.volumeLifecycleModes',
      ['Ephemeral'],
      'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable (it was ["Persistent"])',
    ],
    [
      'CSINode',
      'spec.drivers.0.nodeID',
      'y',
      'spec.drivers[0]: Invalid value: {"name":"d","nodeID":"y","topologyKeys":["zone"]}: field is immutable (nodeID was "x" and would be "y")',
    ],
  ])('a %s may not change %s', (kind, path, value, problem) => {
    expect(updateProblems(withValue(valid(kind), path, value), valid(kind))).toEqual([problem]);
  });

  it('an attachment reports no endless errors', () => {
    const status: storagev1.VolumeAttachmentStatus = { attached: true, detachError: { message: 'x'.repeat(1025) } };
    expect(volumeAttachment.validateStatusUpdate?.({ status }, {})).toHaveLength(1);
    expect(volumeAttachment.validateStatusUpdate?.({ status: { attached: true } }, {})).toEqual([]);
  });

  it.each<[kind: string, changes: JsonObject, cells: Record<string, string>]>([
    [
      'StorageClass',
      { metadata: { name: 'fast', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } },
      {
        NAME: 'fast (default)',
        PROVISIONER: 'example.com/disk',
        RECLAIMPOLICY: 'Delete',
        VOLUMEBINDINGMODE: 'Immediate',
        ALLOWVOLUMEEXPANSION: 'false',
        AGE: '',
      },
    ],
    [
      'VolumeAttachment',
      { status: { attached: true } },
      { NAME: 'a', ATTACHER: 'd.example.com', PV: 'pv1', NODE: 'n1', ATTACHED: 'true', AGE: '' },
    ],
    [
      'CSIDriver',
      { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'b' }] } },
      {
        NAME: 'D.example.com',
        ATTACHREQUIRED: 'true',
        PODINFOONMOUNT: 'false',
        STORAGECAPACITY: 'false',
        TOKENREQUESTS: 'a,b',
        REQUIRESREPUBLISH: 'false',
        MODES: 'Persistent',
        AGE: '',
      },
    ],
    ['CSINode', {}, { NAME: 'n1', DRIVERS: '1', AGE: '' }],
  ])('a %s is shown as kubectl shows it', (kind, changes, cells) => {
    const json = { ...valid(kind), ...changes };
    const object = readObject(json);
    expect(Object.fromEntries(definitionFor(json).columns.map((c) => [c.name, c.cell(object)]))).toEqual(cells);
  });
});

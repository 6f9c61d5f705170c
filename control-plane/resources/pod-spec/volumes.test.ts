import { describe, expect, it } from 'vitest';
import { type corev1, type Json, type JsonObject, messageSchema } from '../../../proto/index.ts';
import { unsupportedFieldWarnings } from '../../api/request/unsupported-fields.ts';
import { problemsOf, readObject } from '../test-objects.ts';
import { expectProblem } from '../valid-objects.ts';

const pod = (volume: JsonObject): Json => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n' },
  spec: { containers: [{ name: 'main', image: 'x:1' }], volumes: [{ name: 'v', ...volume }] },
});
const v = 'spec.volumes[0]';

/** One valid volume of every type there is. */
const VALID: Readonly<Record<string, JsonObject>> = {
  awsElasticBlockStore: { volumeID: 'vol-1', partition: 1 },
  azureDisk: { diskName: 'd', diskURI: 'https://a.blob.core.windows.net/c/d.vhd' },
  azureFile: { secretName: 's', shareName: 'x' },
  cephfs: { monitors: ['m:6789'] },
  cinder: { volumeID: 'v' },
  configMap: { name: 'c' },
  csi: { driver: 'd.example.com' },
  downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
  emptyDir: {},
  ephemeral: {
    volumeClaimTemplate: {
      metadata: { labels: { a: 'b' } },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  },
  fc: { targetWWNs: ['500a0982991b8dc5'], lun: 0 },
  flexVolume: { driver: 'example.com/disk', options: { a: 'b' } },
  flocker: { datasetName: 'd' },
  gcePersistentDisk: { pdName: 'd' },
  gitRepo: { repository: 'https://example.com/x.git', directory: 'x' },
  glusterfs: { endpoints: 'e', path: 'p' },
  hostPath: { path: '/x' },
  image: { reference: 'x:1' },
  iscsi: { targetPortal: '10.0.0.1:3260', iqn: 'iqn.2001-04.com.example:storage.disk1', lun: 0 },
  nfs: { server: 's', path: '/x' },
  persistentVolumeClaim: { claimName: 'c' },
  photonPersistentDisk: { pdID: 'p' },
  portworxVolume: { volumeID: 'v' },
  projected: { sources: [{ configMap: { name: 'c' } }] },
  quobyte: { registry: 'a:7861,[::1]:7861', volume: 'v' },
  rbd: { monitors: ['m'], image: 'i' },
  scaleIO: { gateway: 'g', system: 's', volumeName: 'v', secretRef: { name: 's' } },
  secret: { secretName: 's' },
  storageos: { volumeName: 'v' },
  vsphereVolume: { volumePath: '[disk] x' },
};
const MOUNTED: ReadonlySet<string> = new Set([
  'configMap',
  'downwardAPI',
  'emptyDir',
  'hostPath',
  'projected',
  'secret',
]);

describe('the volumes of a pod', () => {
  const types = messageSchema('skiff.core.v1.Volume').fields.filter((field) => field.isMessage);

  it('are of all types Kubernetes has', () => {
    expect(types.map((field) => field.name).sort()).toEqual(Object.keys(VALID).sort());
  });

  it.each(Object.keys(VALID))('%s is read and valid, and beside another type it is one too many', (name) => {
    const source = VALID[name] ?? {};
    expect(problemsOf(pod({ [name]: source }))).toEqual([]);
    const other = name === 'emptyDir' ? 'hostPath' : 'emptyDir';
    const problems = problemsOf(pod({ [name]: source, [other]: VALID[other] ?? {} }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('Forbidden: may not specify more than 1 volume type');
  });

  it.each(types.map((field) => [field.name, field.unsupported] as const))(
    '%s: what it lacks is said',
    (name, lacks) => {
      const object = readObject<corev1.Pod>(pod({ [name]: VALID[name] ?? {} }));
      const warnings = unsupportedFieldWarnings('skiff.core.v1.Pod', object);
      const mine = warnings.filter((line) => line.startsWith(`spec.volumes[].${name} is stored but `));
      expect(mine).toHaveLength(lacks === undefined ? 0 : 1);
      if (MOUNTED.has(name)) expect(lacks).toBeUndefined();
    },
  );

  it.each<[name: string, source: JsonObject, problem: string]>([
    [
      'awsElasticBlockStore',
      { volumeID: 'v', partition: 256 },
      'partition: Invalid value: 256: must be between 0 and 255, inclusive',
    ],
    [
      'gcePersistentDisk',
      { pdName: 'd', partition: -1 },
      'partition: Invalid value: -1: must be between 0 and 255, inclusive',
    ],
    [
      'azureDisk',
      { diskName: 'd', diskURI: 'ftp://x' },
      'diskURI: Unsupported value: "ftp://x": supported values: "https://{…',
    ],
    [
      'azureDisk',
      { diskName: 'd', diskURI: 'x', kind: 'Managed' },
      'diskURI: Unsupported value: "x": supported values: "/subscriptions/…',
    ],
    [
      'azureDisk',
      { diskName: 'd', diskURI: 'https://x', kind: 'Own' },
      'kind: Unsupported value: "Own": supported values: "Dedicated", …',
    ],
    [
      'azureDisk',
      { diskName: 'd', diskURI: 'https://x', cachingMode: 'All' },
      'cachingMode: Unsupported value: "All": supported…',
    ],
    ['csi', { driver: 'A_b' }, 'driver: Invalid value: "A_b": a lowercase RFC 1123 subdomain…'],
    ['csi', { driver: 'd'.repeat(64) }, 'driver: Too long: may not be more than 63 bytes'],
    ['csi', { driver: 'd', nodePublishSecretRef: {} }, 'nodePublishSecretRef.name: Required value'],
    ['ephemeral', {}, 'volumeClaimTemplate: Required value'],
    [
      'ephemeral',
      { volumeClaimTemplate: { spec: { resources: { requests: { storage: '1' } } } } },
      'volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required',
    ],
    ['fc', {}, 'targetWWNs: Required value: must specify either targetWWNs or wwids, but not both'],
    [
      'fc',
      { targetWWNs: ['a'], wwids: ['b'], lun: 1 },
      'targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
    ],
    ['fc', { targetWWNs: ['a'] }, 'lun: Required value: lun is required if targetWWNs is specified'],
    ['fc', { targetWWNs: ['a'], lun: 300 }, 'lun: Invalid value: 300: must be between 0 and 255, inclusive'],
    [
      'flexVolume',
      { driver: 'd', options: { 'x.kubernetes.io/a': 'b' } },
      `options[x.kubernetes.io/a]: Invalid value: "x.kubernetes.io/a": 'kubernetes.io' and…`,
    ],
    [
      'flocker',
      { datasetName: 'a', datasetUUID: 'b' },
      ': Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously',
    ],
    ['flocker', { datasetName: 'a/b' }, `datasetName: Invalid value: "a/b": must not contain '/'`],
    ['gitRepo', { repository: 'r', directory: '../x' }, `directory: Invalid value: "../x": must not contain '..'`],
    ['hostPath', { path: '/a/..' }, `path: Invalid value: "/a/..": must not contain '..'`],
    [
      'image',
      { reference: 'x', pullPolicy: 'Maybe' },
      'pullPolicy: Unsupported value: "Maybe": supported values: "Always", …',
    ],
    [
      'iscsi',
      { targetPortal: 't', iqn: 'disk', lun: 0 },
      'iqn: Invalid value: "disk": must be valid format starting with iqn, eui, or naa',
    ],
    ['iscsi', { targetPortal: 't', iqn: 'iqn.x', lun: 0 }, 'iqn: Invalid value: "iqn.x": must be valid format'],
    ['iscsi', { ...VALID.iscsi, lun: 256 }, 'lun: Invalid value: 256: must be between 0 and 255, inclusive'],
    ['iscsi', { ...VALID.iscsi, chapAuthSession: true }, 'secretRef: Required value'],
    [
      'iscsi',
      { ...VALID.iscsi, initiatorName: 'me' },
      'initiatorName: Invalid value: "me": must be valid format starting with iqn, eui, or naa',
    ],
    ['nfs', { server: 's', path: 'x' }, 'path: Invalid value: "x": must be an absolute path'],
    [
      'quobyte',
      { registry: 'a', volume: 'v' },
      'registry: Invalid value: "a": must be a host:port pair or multiple pairs separated by commas',
    ],
    ['quobyte', { registry: 'a:1', volume: '../v' }, `volume: Invalid value: "../v": must not contain '..'`],
    [
      'quobyte',
      { registry: 'a:1', volume: 'v', tenant: 't'.repeat(65) },
      'tenant: Too long: may not be more than 64 bytes',
    ],
    ['scaleIO', { gateway: 'g', system: 's', secretRef: { name: 's' } }, 'volumeName: Required value'],
    ['storageos', { volumeName: 'A' }, 'volumeName: Invalid value: "A": a lowercase RFC 1123 label…'],
    [
      'storageos',
      { volumeName: 'a', volumeNamespace: 'A' },
      'volumeNamespace: Invalid value: "A": a lowercase RFC 1123 label…',
    ],
  ])('%s is refused: row %#', (name, source, problem) => {
    expectProblem(problemsOf(pod({ [name]: source })), `${v}.${name}${problem.startsWith(':') ? '' : '.'}${problem}`);
  });

  const token = (more: JsonObject): JsonObject => ({ serviceAccountToken: { path: 't', ...more } });
  it.each<[sources: JsonObject[], problem: string]>([
    [[{}], '.sources[0]: Required value: must specify a volume type'],
    [
      [token({ expirationSeconds: 60 })],
      '.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less…',
    ],
    [
      [token({ expirationSeconds: 2 ** 33 })],
      '.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 8589934592: may not specify a duration larger…',
    ],
    [[token({ path: '/t' })], '.sources[0].serviceAccountToken.path: Invalid value: "/t": must be a relative path'],
    [
      [token({ path: '..data' })],
      `.sources[0].serviceAccountToken.path: Invalid value: "..data": must not start with '..'`,
    ],
    [[token({}), token({})], ': Invalid value: "t": conflicting duplicate paths'],
    [
      [
        { secret: { name: 's', items: [{ key: 'a', path: 'x' }] } },
        { configMap: { name: 'c', items: [{ key: 'a', path: 'x' }] } },
      ],
      ': Invalid value: "c": conflicting duplicate paths',
    ],
    [
      [{ clusterTrustBundle: { path: 'ca' } }],
      '.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified',
    ],
    [
      [{ clusterTrustBundle: { path: 'ca', name: 'a', signerName: 'b.io/c' } }],
      '.sources[0].clusterTrustBundle: Invalid value: {"name":"a","path":"ca","signerName":"b.io/c"}: only one of name and signerName may be used',
    ],
    [
      [{ clusterTrustBundle: { path: 'ca', name: 'a', labelSelector: {} } }],
      '.sources[0].clusterTrustBundle.labelSelector: Invalid value: {}: must be unset if name is specified',
    ],
  ])('projected is refused: row %#', (sources, problem) => {
    expectProblem(problemsOf(pod({ projected: { sources } })), `${v}.projected${problem}`);
  });

  it.each<[container: JsonObject, problem: string]>([
    [
      { volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] },
      'volumeDevices[0].name: Invalid value: "v": can only use volume source type of…',
    ],
    [{ volumeDevices: [{ name: 'gone', devicePath: '/dev/x' }] }, 'volumeDevices[0].name: Not found: "gone"'],
    [
      { volumeDevices: [{ name: 'c', devicePath: '/dev/../x' }] },
      `volumeDevices[0].devicePath: Invalid value: "/dev/../x": can not contain backsteps ('..')`,
    ],
    [
      { volumeDevices: [{ name: 'c', devicePath: '/a' }], volumeMounts: [{ name: 'v', mountPath: '/a' }] },
      'volumeDevices[0].devicePath: Invalid value: "/a": must not already exist as a path in volumeMounts',
    ],
    [
      { volumeDevices: [{ name: 'c', devicePath: '/a' }], volumeMounts: [{ name: 'c', mountPath: '/b' }] },
      'volumeMounts[0].name: Invalid value: "c": must not already exist in volumeDevices',
    ],
    [
      {
        volumeDevices: [
          { name: 'c', devicePath: '/a' },
          { name: 'd', devicePath: '/a' },
        ],
      },
      'volumeDevices[1].devicePath: Invalid value: "/a": must be unique',
    ],
    [
      {
        volumeDevices: [
          { name: 'c', devicePath: '/a' },
          { name: 'c', devicePath: '/b' },
        ],
      },
      'volumeDevices[1].name: Invalid value: "c": must be unique',
    ],
  ])('a device is refused: row %#', (container, problem) => {
    const claim = (name: string): JsonObject => ({ name, persistentVolumeClaim: { claimName: name } });
    const spec = {
      containers: [{ name: 'main', image: 'x:1', ...container }],
      volumes: [{ name: 'v', emptyDir: {} }, claim('c'), claim('d')],
    };
    expectProblem(
      problemsOf({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'n' }, spec }),
      `spec.containers[0].${problem}`,
    );
  });

  it('a dataset without name and id has no source at all', () => {
    expectProblem(
      problemsOf(pod({ flocker: {} })),
      `${v}.flocker: Required value: one of datasetName and datasetUUID is required`,
    );
  });
});

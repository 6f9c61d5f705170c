import { describe, expect, it } from 'vitest';
import { CAPABILITIES, capabilitiesFromMask, containerCapabilities, DEFAULT_CAPABILITIES } from './capabilities.ts';
import { buildOciSpec, MASKED_PATHS, type NodeFacts, type OciSpec } from './oci-spec.ts';
import type { ContainerConfig, Sandbox } from './runtime.ts';
import { runtimeDefaultSeccomp, type SeccompSpec } from './seccomp.ts';

const facts: NodeFacts = {
  cgroupVersion: 2,
  arch: 'x64',
  capabilities: CAPABILITIES,
  openFilesLimit: 4_000_000,
  minOomScoreAdj: -1000,
  seccomp: true,
  oomGroup: true,
};
const sandbox: Sandbox = {
  podUid: 'u',
  podName: 'web',
  podNamespace: 'default',
  hostname: 'web',
  namespaces: { hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false },
  netnsPath: '/s/net',
  ipcnsPath: '/s/ipc',
  utsnsPath: '/s/uts',
  pidnsPath: null,
  shmPath: '/s/shm',
  cgroupPath: 'skiff/burstable/podu',
  labels: {},
  createdAt: '2026-01-01T00:00:00Z',
  ready: true,
};
const config: ContainerConfig = {
  id: 'c',
  podUid: 'u',
  podName: 'web',
  podNamespace: 'default',
  name: 'main',
  attempt: 0,
  rootfsPath: '/rootfs',
  argv: ['nginx'],
  env: ['PATH=/bin'],
  uid: 0,
  gid: 0,
  cgroupPath: 'skiff/burstable/podu/c',
  logPath: '/log/0.log',
};

interface Change {
  readonly config?: Partial<ContainerConfig>;
  readonly sandbox?: Partial<Sandbox>;
  readonly facts?: Partial<NodeFacts>;
  readonly seccompProfile?: SeccompSpec;
}

function build(change: Change = {}): { readonly spec: OciSpec; readonly warnings: readonly string[] } {
  return buildOciSpec({
    config: { ...config, ...change.config },
    sandbox: { ...sandbox, ...change.sandbox },
    facts: { ...facts, ...change.facts },
    ...(change.seccompProfile === undefined ? {} : { seccompProfile: change.seccompProfile }),
  });
}

const own: SeccompSpec = { defaultAction: 'SCMP_ACT_LOG', architectures: [], syscalls: [] };

describe('buildOciSpec', () => {
  const table: readonly [string, Change, (spec: OciSpec) => unknown, unknown][] = [
    ['the usual 14 capabilities', {}, (s) => s.process.capabilities.effective.length, 14],
    ['nothing inheritable', {}, (s) => s.process.capabilities.inheritable, []],
    ['nothing ambient', {}, (s) => s.process.capabilities.ambient, []],
    ['no filter when unconfined', { config: { seccomp: 'Unconfined' } }, (s) => s.linux.seccomp, undefined],
    ['no filter when privileged', { config: { privileged: true } }, (s) => s.linux.seccomp, undefined],
    ['a filter by default', {}, (s) => s.linux.seccomp?.defaultAction, 'SCMP_ACT_ERRNO'],
    [
      "the node's own profile",
      { config: { seccomp: { localhostPath: '/p.json' } }, seccompProfile: own },
      (s) => s.linux.seccomp,
      own,
    ],
    ['no new privileges only when asked', {}, (s) => s.process.noNewPrivileges, false],
    ['no new privileges when asked', { config: { noNewPrivileges: true } }, (s) => s.process.noNewPrivileges, true],
    ['masked paths', {}, (s) => s.linux.maskedPaths, MASKED_PATHS],
    ['nothing masked when told so', { config: { maskedPaths: [] } }, (s) => s.linux.maskedPaths, []],
    ['nothing masked when privileged', { config: { privileged: true } }, (s) => s.linux.maskedPaths, []],
    ['a private cgroup namespace under v2', {}, (s) => types(s).includes('cgroup'), true],
    ['none under v1', { facts: { cgroupVersion: 1 } }, (s) => types(s).includes('cgroup'), false],
    ['none when privileged', { config: { privileged: true } }, (s) => types(s).includes('cgroup'), false],
    ["the pod's network", {}, (s) => s.linux.namespaces.find((n) => n.type === 'network')?.path, '/s/net'],
    [
      'no network namespace on the host network',
      { sandbox: { netnsPath: null } },
      (s) => types(s).includes('network'),
      false,
    ],
    ['a PID namespace of its own', {}, (s) => s.linux.namespaces.find((n) => n.type === 'pid'), { type: 'pid' }],
    [
      'the PID namespace of the pod',
      { sandbox: { pidnsPath: '/s/pid' } },
      (s) => s.linux.namespaces.find((n) => n.type === 'pid'),
      { type: 'pid', path: '/s/pid' },
    ],
    [
      'the PID namespace of the node',
      { sandbox: { namespaces: { ...sandbox.namespaces, hostPID: true } } },
      (s) => types(s).includes('pid'),
      false,
    ],
    ['the host name of the pod', {}, (s) => s.hostname, 'web'],
    ['no host name on the node', { sandbox: { utsnsPath: null } }, (s) => s.hostname, undefined],
    ['the shared memory of the pod', {}, (s) => mount(s, '/dev/shm')?.source, '/s/shm'],
    ['the shared memory of the node', { sandbox: { shmPath: null } }, (s) => mount(s, '/dev/shm')?.source, '/dev/shm'],
    ['/sys read-only', {}, (s) => mount(s, '/sys')?.options.includes('ro'), true],
    [
      '/sys writable when privileged',
      { config: { privileged: true } },
      (s) => mount(s, '/sys')?.options.includes('ro'),
      false,
    ],
    ['at most a million open files', {}, (s) => s.process.rlimits[0]?.hard, 1_048_576],
    [
      'no more open files than can be granted',
      { facts: { openFilesLimit: 999 } },
      (s) => s.process.rlimits[0]?.soft,
      999,
    ],
    ['the OOM score asked for', { config: { oomScoreAdj: -997 } }, (s) => s.process.oomScoreAdj, -997],
    ['no OOM score when none is asked for', {}, (s) => s.process.oomScoreAdj, undefined],
    [
      'the lowest OOM score that may be given',
      { config: { oomScoreAdj: -997 }, facts: { minOomScoreAdj: 0 } },
      (s) => s.process.oomScoreAdj,
      0,
    ],
    [
      'limits',
      { config: { resources: { cpuShares: 102, cpuQuotaUs: 10_000, memoryLimitBytes: 1e6, pidsLimit: 9 } } },
      (s) => [s.linux.resources.cpu, s.linux.resources.memory, s.linux.resources.pids],
      [{ shares: 102, quota: 10_000, period: 100_000 }, { limit: 1e6 }, { limit: 9 }],
    ],
    [
      'no limits where none are asked for',
      {},
      (s) => Object.keys(s.linux.resources).filter((key) => key !== 'unified'),
      ['devices'],
    ],
    [
      'a container that runs out of memory ends as a whole',
      {},
      (s) => s.linux.resources.unified,
      { 'memory.oom.group': '1' },
    ],
    ['which not every kernel can do', { facts: { oomGroup: false } }, (s) => s.linux.resources.unified, undefined],
    [
      'the groups with fsGroup, each once',
      { config: { additionalGids: [1, 2], fsGroup: 2 } },
      (s) => s.process.user.additionalGids,
      [1, 2],
    ],
    [
      'the last of equal names in the environment',
      { config: { env: ['A=1', 'B=2', 'A=3'] } },
      (s) => s.process.env,
      ['B=2', 'A=3'],
    ],
    ['/ as the folder when the image has none', { config: { cwd: '' } }, (s) => s.process.cwd, '/'],
    [
      'a read-only bind mount',
      { config: { mounts: [{ type: 'bind', source: '/a', destination: '/b', readOnly: true, propagation: 'slave' }] } },
      (s) => [mount(s, '/b'), s.linux.rootfsPropagation],
      [{ destination: '/b', type: 'bind', source: '/a', options: ['rbind', 'rslave', 'ro'] }, 'rslave'],
    ],
    [
      'every device rule after "deny all"',
      {},
      (s) => [s.linux.resources.devices?.[0], s.linux.resources.devices?.filter((d) => d.allow).length],
      [{ allow: false, access: 'rwm' }, 11],
    ],
  ];

  it.each(table)('gives %s', (_what, change, read, expected) => {
    expect(read(build(change).spec)).toEqual(expected);
  });

  it('says in plain words what could not be granted', () => {
    const { warnings } = build({
      config: { capabilitiesAdd: ['SYS_RESOURCE'], oomScoreAdj: -999 },
      facts: { capabilities: DEFAULT_CAPABILITIES, minOomScoreAdj: 0, seccomp: false },
    });
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toContain('CAP_SYS_RESOURCE');
    expect(build().warnings).toEqual([]);
  });

  it('depends on nothing but its inputs', () => {
    expect(JSON.stringify(build())).toBe(JSON.stringify(build()));
  });
});

describe('containerCapabilities', () => {
  const grantable = CAPABILITIES;
  it.each([
    ['the default', [], [], 14],
    ['one more', ['net_admin'], [], 15],
    ['one that is there already', ['CHOWN'], [], 14],
    ['drop one', [], ['CAP_NET_RAW'], 13],
    ['drop all', [], ['ALL'], 0],
    ['drop all, add one', ['NET_BIND_SERVICE'], ['ALL'], 1],
    ['add all', ['ALL'], [], CAPABILITIES.length],
    ['add all, drop one', ['ALL'], ['SYS_ADMIN'], CAPABILITIES.length - 1],
    ['add and drop the same', ['CHOWN'], ['CHOWN'], 14],
  ])('%s', (_what, add, drop, count) => {
    expect(containerCapabilities({ add, drop, privileged: false, grantable }).granted).toHaveLength(count);
  });

  it('reads the mask of the kernel', () => {
    expect(capabilitiesFromMask('00000000a80425fb')).toEqual(
      CAPABILITIES.filter((name) => DEFAULT_CAPABILITIES.includes(name)),
    );
  });
});

describe('runtimeDefaultSeccomp', () => {
  const allowed = (capabilities: readonly string[], arch = 'x64'): ReadonlySet<string> =>
    new Set(
      runtimeDefaultSeccomp(arch, capabilities)
        .syscalls.filter((rule) => rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined)
        .flatMap((rule) => rule.names),
    );

  it.each([
    'mount',
    'umount2',
    'bpf',
    'unshare',
    'setns',
    'reboot',
    'kexec_load',
    'init_module',
    'keyctl',
    'add_key',
    'io_uring_setup',
    'userfaultfd',
    'clone3',
    'clock_settime',
  ])('does not allow %s without a capability', (name) => {
    expect(allowed(DEFAULT_CAPABILITIES).has(name)).toBe(false);
  });

  it.each([
    'read',
    'openat2',
    'epoll_pwait2',
    'execve',
    'futex',
    'sendmmsg',
    'landlock_create_ruleset',
    'ptrace',
    'close_range',
    'chroot',
  ])('allows %s', (name) => {
    expect(allowed(DEFAULT_CAPABILITIES).has(name)).toBe(true);
  });

  it('answers ENOSYS to clone3, and looks at the flags of clone', () => {
    const rules = runtimeDefaultSeccomp('x64', DEFAULT_CAPABILITIES).syscalls;
    expect(rules.find((rule) => rule.names.includes('clone3'))).toEqual({
      names: ['clone3'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 38,
    });
    expect(rules.find((rule) => rule.names.includes('clone'))?.args?.[0]).toMatchObject({
      index: 0,
      op: 'SCMP_CMP_MASKED_EQ',
    });
  });

  it('allows with the capability what needs it', () => {
    expect(allowed(['CAP_SYS_ADMIN']).has('mount')).toBe(true);
    expect(allowed(['CAP_SYS_ADMIN']).has('clone3')).toBe(true);
    expect(allowed(['CAP_SYS_TIME']).has('clock_settime')).toBe(true);
    expect(allowed([]).has('chroot')).toBe(false);
  });

  it('knows the calls of each machine', () => {
    expect(allowed([], 'x64').has('arch_prctl')).toBe(true);
    expect(allowed([], 'arm64').has('arch_prctl')).toBe(false);
    expect(runtimeDefaultSeccomp('arm64', []).architectures).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  });
});

function types(spec: OciSpec): readonly string[] {
  return spec.linux.namespaces.map((namespace) => namespace.type);
}

function mount(spec: OciSpec, destination: string): OciSpec['mounts'][number] | undefined {
  return spec.mounts.find((entry) => entry.destination === destination);
}

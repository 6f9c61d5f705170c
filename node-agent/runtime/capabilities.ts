/** Linux capabilities by number, as in linux/capability.h: the index is the bit in /proc/<pid>/status. */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container has without asking: the 14 that containerd gives, and that unmodified manifests expect. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** The names in a hexadecimal mask such as `CapBnd` of /proc/self/status. */
export function capabilitiesFromMask(mask: string): readonly string[] {
  const bits = BigInt(`0x${mask.trim()}`);
  return CAPABILITIES.filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
}

/** `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN` are the same capability; `ALL` stays as it is. */
export function capabilityName(name: string): string {
  const upper = name.toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

/** Names in `add` that no kernel knows. */
export function unknownCapabilities(names: readonly string[]): readonly string[] {
  return names.filter((name) => capabilityName(name) !== 'ALL' && !CAPABILITIES.includes(capabilityName(name)));
}

/** What decides a container's capabilities. */
export interface CapabilityRequest {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
  /** What this process itself may hand on (its bounding set). */
  readonly grantable: readonly string[];
}

/** The container's set in kernel order, and what was asked for by name but cannot be granted here. */
export function containerCapabilities(request: CapabilityRequest): {
  readonly granted: readonly string[];
  readonly refused: readonly string[];
} {
  const add = request.add.map(capabilityName);
  const drop = request.drop.map(capabilityName);
  const wanted = new Set<string>(request.privileged ? CAPABILITIES : drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES);
  if (!request.privileged) {
    // As the CRI has it: "add ALL" first, then single drops, then single adds, so that an explicit add always wins.
    if (add.includes('ALL')) {
      for (const name of CAPABILITIES) {
        wanted.add(name);
      }
    }
    for (const name of drop) {
      wanted.delete(name);
    }
    for (const name of add) {
      wanted.add(name);
    }
    wanted.delete('ALL');
  }
  const granted = CAPABILITIES.filter((name) => wanted.has(name) && request.grantable.includes(name));
  const refused = add.filter((name) => name !== 'ALL' && !granted.includes(name));
  return { granted, refused };
}

import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { CgroupLayout } from '../../cgroups/layout.ts';
import { capabilitiesFromMask } from '../capabilities.ts';
import type { DeviceNode, NodeFacts } from '../oci-spec.ts';

/** Reads from the kernel what this process can give to containers. */
export function readNodeFacts(layout: CgroupLayout): NodeFacts {
  const status = readFileSync('/proc/self/status', 'utf8');
  const capabilities = capabilitiesFromMask(/^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0');
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hardLimit = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? '1024';
  return {
    cgroupVersion: layout.version,
    arch: process.arch,
    capabilities,
    openFilesLimit: hardLimit === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hardLimit),
    minOomScoreAdj: capabilities.includes('CAP_SYS_RESOURCE')
      ? -1000
      : Number(readFileSync('/proc/self/oom_score_adj', 'utf8').trim()),
    seccomp: /^Seccomp:/m.test(status),
    // There since Linux 4.19, in every cgroup but the root, where the memory controller is on (a Raspberry Pi's is off by default).
    oomGroup: layout.unified !== null && hasMemoryController(layout.unified),
  };
}

function hasMemoryController(unified: string): boolean {
  return readFileSync(`${unified}/cgroup.controllers`, 'utf8').trim().split(' ').includes('memory');
}

/** The device node at a path. Throws when it is none. */
export function readDeviceNode(path: string): DeviceNode {
  const stat = statSync(path);
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) {
    throw new Error(`Cannot use ${path} as a device: it is neither a character nor a block device`);
  }
  const { major, minor } = deviceNumbers(stat.rdev);
  return {
    path,
    type: stat.isBlockDevice() ? 'b' : 'c',
    major,
    minor,
    mode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

/** Every device of the node, for a privileged container. Leaves out what each container has of its own. */
export function readAllDeviceNodes(folder = '/dev'): readonly DeviceNode[] {
  const own = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console']);
  const nodes: DeviceNode[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (folder === '/dev' && own.has(entry.name)) {
      continue;
    }
    if (entry.isDirectory()) {
      nodes.push(...readAllDeviceNodes(path));
    } else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      nodes.push(readDeviceNode(path));
    }
  }
  return nodes;
}

/** glibc's makedev, undone: the number is spread over the 64 bits. */
function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  const device = BigInt(rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}

/** What the machine is and has, read from the kernel and a few files. */
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { arch, availableParallelism, release } from 'node:os';
import { join } from 'node:path';

/** Facts for the Node object. Sizes in bytes. */
export interface Machine {
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Kubernetes' names: amd64, arm64, arm, … */
  readonly architecture: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly machineID: string;
  readonly systemUUID: string;
  readonly bootID: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

/** Reads the machine; `dataDir` is where images and volumes are. An id below `root` is the machine's before that of the host. */
export function readMachine(dataDir: string, root = '/'): Machine {
  const machineID = readLine(join(root, 'etc/machine-id')) || readLine('/etc/machine-id');
  return {
    cpuCount: availableParallelism(),
    memoryBytes: memoryField('MemTotal'),
    diskBytes: diskSize(dataDir),
    architecture: ARCHITECTURES[arch()] ?? arch(),
    kernelVersion: release(),
    osImage: osImage(),
    machineID,
    systemUUID: readLine('/sys/class/dmi/id/product_uuid') || machineID,
    bootID: readLine('/proc/sys/kernel/random/boot_id'),
  };
}

/** What little is left of memory, disk and process numbers, for the pressure conditions. */
export function readHeadroom(dataDir: string): {
  readonly memoryAvailableBytes: number;
  readonly diskFreePercent: number;
  readonly pidsFree: number;
} {
  const pidsMax = Number(readLine('/proc/sys/kernel/pid_max')) || 32_768;
  const threads = Number(readLine('/proc/loadavg').split(' ')[3]?.split('/')[1]) || 0;
  let diskFreePercent = 100;
  try {
    const disk = statfsSync(existingParent(dataDir));
    diskFreePercent = disk.blocks === 0 ? 100 : (disk.bavail / disk.blocks) * 100;
  } catch {
    // Not readable now: no reason to turn pods away.
  }
  return { memoryAvailableBytes: memoryField('MemAvailable'), diskFreePercent, pidsFree: pidsMax - threads };
}

function memoryField(name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readText('/proc/meminfo'));
  return Number(match?.[1] ?? 0) * 1024;
}

function diskSize(path: string): number {
  try {
    const disk = statfsSync(existingParent(path));
    return disk.blocks * disk.bsize;
  } catch {
    return 0;
  }
}

function existingParent(path: string): string {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) if (existsSync(at)) return at;
  return '/';
}

function osImage(): string {
  const match = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readText('/etc/os-release'));
  return match?.[1] ?? 'Linux';
}

/** The link of the IPv4 default route with the least metric; undefined without one. */
function readLine(path: string): string {
  return readText(path).split('\n')[0]?.trim() ?? '';
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

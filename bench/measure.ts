/** Measuring processes from outside, and summing up samples. */
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds at quantile `q` (0…1) of the samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Resident memory of a process in bytes (VmRSS); 0 when it is gone. */
export function residentBytes(pid: number): number {
  return statusKib(pid, 'VmRSS') * 1024;
}

/** Memory of a process in bytes with shared pages divided among their users; 0 when it is gone. */
export function proportionalBytes(pid: number): number {
  try {
    const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function statusKib(pid: number, key: string): number {
  try {
    const match = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** CPU seconds a process has used, with those of its children that have ended. */
export function cpuSeconds(pid: number): number {
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = cpuTicks(pid);
  return (user + system + childUser + childSystem) / 100;
}

/** CPU seconds a process has used itself. */
export function ownCpuSeconds(pid: number): number {
  const [user = 0, system = 0] = cpuTicks(pid);
  return (user + system) / 100;
}

/** utime, stime, cutime and cstime of `/proc/<pid>/stat`; nothing when it is gone. */
function cpuTicks(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).map(Number);
  } catch {
    return [];
  }
}

/** Pids whose command line holds `text`, but for this process. */
export function pidsWith(text: string): { readonly pid: number; readonly command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command.includes(text)) found.push({ pid, command });
    } catch {
      // It has just ended.
    }
  }
  return found;
}

/** Share of one core that the processes used during `seconds`. */
export async function cpuShare(pids: readonly number[], seconds: number): Promise<number> {
  const total = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = total();
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return (total() - before) / ((performance.now() - started) / 1000);
}

/** Who listens on a TCP port of this machine. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A program that listens; pid 0 when it cannot be told. */
export interface PortOwner {
  readonly pid: number;
  readonly program: string;
}

/** State of a listening socket in /proc/net/tcp. */
const LISTEN = '0A';

/** Inodes of the sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listeningInodes(text: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTEN && fields[1]?.endsWith(`:${wanted}`) === true)
    .map((fields) => fields[9] ?? '');
}

/** The program that listens on `port`; undefined when none does. Only root sees the programs of others. */
export function portOwner(port: number): PortOwner | undefined {
  const inodes = ['/proc/self/net/tcp', '/proc/self/net/tcp6'].flatMap((file) => listeningInodes(read(file), port));
  if (inodes.length === 0) return undefined;
  const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  const pid = readdirSync('/proc').find((entry) => /^\d+$/.test(entry) && hasSocket(entry, sockets));
  if (pid === undefined) return { pid: 0, program: 'a program that cannot be told' };
  return { pid: Number(pid), program: programOf(pid) };
}

function hasSocket(pid: string, sockets: ReadonlySet<string>): boolean {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    // Gone meanwhile, or not ours to see.
    return false;
  }
  return descriptors.some((fd) => {
    try {
      return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

/** The command line, shortened; the short name for what has none. */
function programOf(pid: string): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0').join(' ').trim();
  const name = words === '' ? read(`/proc/${pid}/comm`).trim() : words;
  return name.length > 80 ? `${name.slice(0, 79)}…` : name;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

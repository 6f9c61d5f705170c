/** Who has a port of this machine. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** A program that has a port; pid 0 when it cannot be told. */
export interface PortOwner {
  readonly pid: number;
  readonly program: string;
}

/** What a port is of. */
export type PortTransport = 'tcp' | 'udp';

/** States of sockets that take what comes, as /proc/net has them: listening, and not connected. */
const TAKING: Readonly<Record<PortTransport, string>> = { tcp: '0A', udp: '07' };

/** Inodes of the sockets that take what comes to `port`, from the text of a file such as /proc/net/tcp. */
export function listeningInodes(text: string, port: number, transport: PortTransport = 'tcp'): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === TAKING[transport] && fields[1]?.endsWith(`:${wanted}`) === true)
    .map((fields) => fields[9] ?? '');
}

/**
 * The program, other than this one, that has `port`, by TCP unless said; undefined when none has. Only root sees the programs of
 * others.
 */
export function portOwner(port: number, transports: readonly PortTransport[] = ['tcp']): PortOwner | undefined {
  const inodes = transports.flatMap((transport) =>
    [transport, `${transport}6`].flatMap((table) => listeningInodes(read(`/proc/self/net/${table}`), port, transport)),
  );
  if (inodes.length === 0) return undefined;
  const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  const pid = readdirSync('/proc').find(
    (entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid && hasSocket(entry, sockets),
  );
  return pid === undefined ? UNTOLD : { pid: Number(pid), program: programOf(pid) };
}

const UNTOLD: PortOwner = { pid: 0, program: 'another program' };

/** Who has the port, for messages: `nginx (process 412)`. */
export function portOwnerText({ pid, program }: PortOwner = UNTOLD): string {
  return pid === 0 ? program : `${program} (process ${pid})`;
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

/** Its name without arguments, which may be secret: messages about ports are read by the whole cluster. */
function programOf(pid: string): string {
  const first = read(`/proc/${pid}/cmdline`).split('\0')[0] ?? '';
  return basename(first) || read(`/proc/${pid}/comm`).trim();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

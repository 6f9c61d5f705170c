import { readdir, readFile, readlink } from 'node:fs/promises';

/** State of a listening socket in /proc/net/tcp. */
const LISTEN = '0A';

/** Whether process `pid` itself, not somebody else, listens on TCP `port` (any IPv4 address). False when it is gone. */
export async function listensOn(pid: number, port: number): Promise<boolean> {
  try {
    const inodes = listeningInodes(await readFile(`/proc/${pid}/net/tcp`, 'utf8'), port);
    if (inodes.size === 0) return false;
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (inodes.has(target)) return true;
    }
    return false;
  } catch (err) {
    if (err instanceof Error && 'code' in err && (err.code === 'ENOENT' || err.code === 'ESRCH')) return false;
    throw err;
  }
}

/** The sockets ("socket:[1234]") listening on `port` in the text of /proc/net/tcp. */
export function listeningInodes(table: string, port: number): Set<string> {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const listening = rows.filter(
    ([, local = '', , state]) => state === LISTEN && Number.parseInt(local.split(':')[1] ?? '', 16) === port,
  );
  return new Set(listening.map((row) => `socket:[${row[9]}]`));
}

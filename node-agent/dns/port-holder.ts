/** Who has a port that we wanted. */
import { run } from '../../lib/exec.ts';

/** Says which programs listen on a port of this machine, by UDP or TCP: `dnsmasq (pid 412)`; `another program` when nobody can tell. */
export async function portHolder(port: number): Promise<string> {
  try {
    const { stdout } = await run('ss', ['-H', '-l', '-n', '-u', '-t', '-p', `sport = :${port}`], { timeoutMs: 5000 });
    return holdersIn(stdout);
  } catch {
    return 'another program';
  }
}

/** Programs named in what `ss -p` prints. Pure. */
export function holdersIn(text: string): string {
  const holders = [...text.matchAll(/\("([^"]+)",pid=(\d+)/g)]
    .filter((match) => Number(match[2]) !== process.pid)
    .map((match) => `${match[1]} (pid ${match[2]})`);
  return holders.length === 0 ? 'another program' : [...new Set(holders)].join(', ');
}

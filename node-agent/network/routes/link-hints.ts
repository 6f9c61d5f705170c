import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { aborted } from '../../../lib/aborted.ts';
import { Backoff } from '../../../lib/backoff.ts';
import { type Clock, sleep } from '../../../lib/clock.ts';

/** What is worth a look: ours, by name of device or mark. */
export interface HintOptions {
  readonly clock: Clock;
  /** Lines of `ip monitor` in one line each. True: something may have changed. */
  readonly matters: (line: string) => boolean;
  readonly onHint: () => void;
}

/**
 * Calls back when links, addresses or routes of this machine change, as far as they matter. Hints only: what is missed, a look now
 * and then finds. One small process that sleeps; ends with `signal`, and then settles. Never rejects.
 */
export async function watchLinks(options: HintOptions, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff({ initialMs: 1_000, maxMs: 60_000, jitter: 0.2 });
  while (!signal.aborted) {
    await watchOnce(options, signal);
    // Its queue overflowed, or somebody ended it: whatever happened meanwhile is not known.
    options.onHint();
    await sleep(options.clock, backoff.next(), signal);
  }
}

async function watchOnce({ matters, onHint }: HintOptions, signal: AbortSignal): Promise<void> {
  const command = ['ip', '-4', '-o', 'monitor', 'link', 'address', 'route'];
  // It goes when we are killed, too.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (matters(line)) onHint();
  });
  await Promise.race([ended, aborted(signal)]);
  child.kill('SIGKILL');
  lines.close();
  await ended;
}

/** Lines about a device or a mark of ours, or an address of another link. Pods come and go without a hint. */
export function hintMatters(own: { readonly bridge: string; readonly vxlan: string; readonly podLinks: string }) {
  return (line: string): boolean => {
    if (line.includes(own.vxlan) || / proto 83( |$)/.test(line)) return true;
    // A link that is not a pod's, or an address: of this machine itself.
    return (
      / inet /.test(line) ||
      (/^(Deleted )?\d+: /.test(line) && !line.includes(own.podLinks) && !line.includes(own.bridge))
    );
  };
}

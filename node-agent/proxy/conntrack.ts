/**
 * What the kernel remembers of connections. UDP has no end of a connection: a client that keeps its port goes on reaching an endpoint that
 * is gone until the kernel forgets, so it is made to forget.
 */
import { run } from '../../lib/exec.ts';
import type { FrontChange } from './service-ledger.ts';
import { hostOf } from './service-plan.ts';

const TIMEOUT_MS = 10_000;

/** Arguments of `conntrack` that make it forget what a change of a front made wrong; one list per call. Pure. */
export function forgetArguments({ front, gone, began }: FrontChange): readonly (readonly string[])[] {
  if (front.transport !== 'udp') return [];
  const parts = front.key.split(' . ');
  const port = parts.at(-1) ?? '';
  const to = ['-D', '-f', 'ipv4', '-p', 'udp', '--orig-port-dst', port];
  const [address] = parts;
  if (front.kind === 'address' && address !== undefined) to.push('--orig-dst', address);
  // Packets before the first endpoint came were remembered as going to nobody.
  if (began) return [to];
  return [...new Set(gone.map(hostOf))].map((ip) => [...to, '--dst-nat', ip]);
}

/** Makes the kernel forget, one after the other. Rejects when conntrack cannot be run; nothing to forget is no failure. */
export async function forgetConnections(
  calls: readonly (readonly string[])[],
  options: { readonly enter: readonly string[]; readonly signal: AbortSignal },
): Promise<void> {
  for (const call of calls) {
    const [program = 'conntrack', ...argv] = [...options.enter, 'conntrack', ...call];
    // 1: none matched.
    await run(program, argv, { okExitCodes: [0, 1], timeoutMs: TIMEOUT_MS, signal: options.signal });
  }
}

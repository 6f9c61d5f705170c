/**
 * What the kernel remembers of connections. UDP has no end of a connection: a client that keeps its port goes on reaching an endpoint that
 * is gone until the kernel forgets, so it is made to forget.
 */
import { run } from '../../lib/exec.ts';
import type { FrontChange } from './service-ledger.ts';
import { type Front, hostOf } from './service-plan.ts';

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

/**
 * The same for connections made while nobody was there to follow: of what `conntrack -L` lists, those through a front to what is not an
 * endpoint of it (any more). Pure.
 */
export function staleArguments(
  listing: string,
  frontAt: (key: string) => Front | undefined,
): readonly (readonly string[])[] {
  const stale = new Map<string, readonly string[]>();
  for (const line of listing.split('\n')) {
    const [dialled, taken] = [...line.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)];
    const [, , address = '', , port = ''] = dialled ?? [];
    const [, endpoint = '', , endpointPort = ''] = taken ?? [];
    if (endpoint === '' || endpoint === address) continue;
    const front = frontAt(`${address} . udp . ${port}`) ?? frontAt(`udp . ${port}`);
    const there = [...(front?.endpoints ?? []), ...(front?.localEndpoints ?? [])];
    if (front === undefined || there.includes(`${endpoint} . ${endpointPort}`)) continue;
    const call = [
      '-D',
      '-f',
      'ipv4',
      '-p',
      'udp',
      '--orig-port-dst',
      port,
      '--orig-dst',
      address,
      '--dst-nat',
      endpoint,
    ];
    stale.set(call.join(' '), call);
  }
  return [...stale.values()];
}

/** What the kernel remembers of UDP, as `conntrack -L` prints it. */
export async function listConnections(options: ForgetOptions): Promise<string> {
  const call = ['-L', '-f', 'ipv4', '-p', 'udp'];
  const [program = 'conntrack', ...argv] = [...options.enter, 'conntrack', ...call];
  const limits = { timeoutMs: TIMEOUT_MS, maxOutputBytes: 1 << 26, signal: options.signal };
  return (await run(program, argv, { okExitCodes: [0, 1], ...limits })).stdout;
}

/** How to run conntrack. */
export interface ForgetOptions {
  /** Goes before the program. */
  readonly enter: readonly string[];
  readonly signal: AbortSignal;
}

/** Makes the kernel forget, one after the other. Rejects when conntrack cannot be run; nothing to forget is no failure. */
export async function forgetConnections(calls: readonly (readonly string[])[], options: ForgetOptions): Promise<void> {
  for (const call of calls) {
    const [program = 'conntrack', ...argv] = [...options.enter, 'conntrack', ...call];
    // 1: none matched.
    await run(program, argv, { okExitCodes: [0, 1], timeoutMs: TIMEOUT_MS, signal: options.signal });
  }
}

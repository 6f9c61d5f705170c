/**
 * Addresses of services on a link of this machine: put there, announced and taken away by `ip` and `arping`. Which ones are ours
 * stands in a file, written before the address is put there, so that an agent after us knows them and nobody else's is touched.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ExecError, run } from '../../lib/exec.ts';

/** How long a program may take. */
const TIMEOUT_MS = 10_000;
/** Questions whether somebody has an address, and announcements that we have it; `arping` sends one a second. */
const PROBES = 1;
const ANNOUNCEMENTS = 3;

/** What {@link HostAddresses} needs. */
export interface HostAddressesOptions {
  /** Where the list of ours is kept. */
  readonly file: string;
  /** Put before each command, such as `nsenter --net=…`. */
  readonly prefix?: readonly string[];
}

interface LinkReport {
  readonly ifname?: string;
  readonly addr_info?: readonly { readonly family?: string; readonly local?: string; readonly prefixlen?: number }[];
}

/** See the top of the file. */
export class HostAddresses {
  readonly #file: string;
  readonly #prefix: readonly string[];
  /** Address → link. */
  readonly #held: Map<string, string>;

  constructor({ file, prefix = [] }: HostAddressesOptions) {
    this.#file = file;
    this.#prefix = prefix;
    this.#held = readHeld(file);
  }

  /** Addresses that are ours, according to the file. */
  held(): string[] {
    return [...this.#held.keys()];
  }

  /** The link that has `address`; undefined when none has. */
  async linkOf(address: string, signal?: AbortSignal): Promise<string | undefined> {
    const links = JSON.parse(await this.#run('ip', ['-j', '-4', 'address', 'show'], signal)) as LinkReport[];
    return links.find(({ addr_info }) => addr_info?.some(({ local }) => local === address))?.ifname;
  }

  /** Hardware addresses of those on the link that answer for `address`, without ourselves. Throws `MissingTool` without `arping`. */
  async whoHas(address: string, link: string, signal?: AbortSignal): Promise<string[]> {
    const args = ['-D', '-c', `${PROBES}`, '-w', `${PROBES}`, '-I', link, address];
    const text = await this.#run('arping', args, signal, [0, 1]);
    return [...new Set([...text.matchAll(/\[([0-9A-Fa-f:]{17})\]/g)].map(([, mac = '']) => mac.toLowerCase()))];
  }

  /** The hardware address behind an address on the link; undefined when nobody answers. */
  async hardwareAddress(address: string, link: string, signal?: AbortSignal): Promise<string | undefined> {
    const text = await this.#run('arping', ['-c', '1', '-w', '1', '-I', link, address], signal, [0, 1]);
    return /\[([0-9A-Fa-f:]{17})\]/.exec(text)?.[1]?.toLowerCase();
  }

  /** Puts an address on a link. */
  async add(address: string, link: string, signal?: AbortSignal): Promise<void> {
    this.#held.set(address, link);
    this.#save();
    await this.#run('ip', ['address', 'replace', `${address}/32`, 'dev', link], signal);
  }

  /** Tells all neighbours that the address is here now. Takes some seconds; the first word is said at once. */
  async announce(address: string, link: string, signal?: AbortSignal): Promise<void> {
    const args = ['-U', '-q', '-c', `${ANNOUNCEMENTS}`, '-w', `${ANNOUNCEMENTS}`, '-s', address, '-I', link, address];
    await this.#run('arping', args, signal, [0, 1]);
  }

  /** Takes one of ours away. */
  async remove(address: string, signal?: AbortSignal): Promise<void> {
    const link = await this.linkOf(address, signal);
    if (link !== undefined) await this.#run('ip', ['address', 'delete', `${address}/32`, 'dev', link], signal);
    this.#held.delete(address);
    this.#save();
  }

  #save(): void {
    if (this.#held.size === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ version: 1, addresses: Object.fromEntries(this.#held) });
    writeFileSync(`${this.#file}.new`, `${text}\n`, { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }

  async #run(
    program: string,
    args: readonly string[],
    signal: AbortSignal | undefined,
    okExitCodes: readonly number[] = [0],
  ): Promise<string> {
    const [first = program, ...rest] = [...this.#prefix, program, ...args];
    const options = { timeoutMs: TIMEOUT_MS, okExitCodes, ...(signal === undefined ? {} : { signal }) };
    const { stdout } = await run(first, rest, options);
    return stdout;
  }
}

/** Whether a program was not there. */
export function isMissingTool(err: unknown): boolean {
  return err instanceof ExecError && err.code === 'MissingTool';
}

function readHeld(file: string): Map<string, string> {
  try {
    const { addresses } = JSON.parse(readFileSync(file, 'utf8')) as { addresses?: Record<string, string> };
    return new Map(Object.entries(addresses ?? {}));
  } catch {
    // None, or not readable: an address that is wanted is put there again, which changes nothing.
    return new Map();
  }
}

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** First and last address that pods may get, as numbers: not the network's, the gateway's and the broadcast address. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * Who has which address of a range: a file per address, named after it, its first line the owner. The format is that of
 * the CNI plugin host-local, so that either may take over the other's folder. An address that was freed is given again as
 * late as possible.
 */
export class AddressStore {
  readonly #folder: string;
  readonly #range: Range;

  constructor(folder: string, cidr: string) {
    this.#folder = folder;
    this.#range = rangeOf(cidr);
  }

  /** Reserves an address for `owner`; null when the range is used up. The file is made before the address is used. */
  reserve(owner: string): string | null {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const { first, last } = this.#range;
    const count = last - first + 1;
    const start = this.#lastReserved() + 1;
    for (let step = 0; step < count; step += 1) {
      const address = toText(first + ((start - first + step) % count));
      try {
        // Exclusive: of two that want the same address one fails and goes on to the next.
        writeFileSync(`${this.#folder}/${address}`, `${owner}\r\neth0`, { flag: 'wx', mode: 0o600 });
      } catch (err) {
        if (err instanceof Error && 'code' in err && err.code === 'EEXIST') {
          continue;
        }
        throw err;
      }
      writeFileSync(`${this.#folder}/last_reserved_ip.0`, address, { mode: 0o600 });
      return address;
    }
    return null;
  }

  /** Frees every address of `owner`. */
  release(owner: string): void {
    for (const [address, holder] of this.#entries()) {
      if (holder === owner) {
        rmSync(`${this.#folder}/${address}`, { force: true });
      }
    }
  }

  /** Frees what belongs to nobody in `owners`; says what it freed. */
  releaseOthers(owners: ReadonlySet<string>): readonly string[] {
    return this.#entries().flatMap(([address, holder]) => {
      if (owners.has(holder)) {
        return [];
      }
      rmSync(`${this.#folder}/${address}`, { force: true });
      return [`address ${address} of ${holder}`];
    });
  }

  #entries(): readonly (readonly [string, string])[] {
    if (!existsSync(this.#folder)) {
      return [];
    }
    return readdirSync(this.#folder)
      .filter((name) => /^[0-9a-f.:]+$/.test(name))
      .flatMap((name) => {
        try {
          return [[name, readFileSync(`${this.#folder}/${name}`, 'utf8').split(/\r?\n/)[0] ?? ''] as const];
        } catch {
          return [];
        }
      });
  }

  #lastReserved(): number {
    try {
      const last = toNumber(readFileSync(`${this.#folder}/last_reserved_ip.0`, 'utf8').trim());
      return last >= this.#range.first && last <= this.#range.last ? last : this.#range.first - 1;
    } catch {
      return this.#range.first - 1;
    }
  }
}

function rangeOf(cidr: string): Range {
  const [address = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const base = Math.floor(toNumber(address) / size) * size;
  return { first: base + 2, last: base + size - 2 };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** Which things have an address: almost always one, which then costs a string and no list. */
export class AddressIndex {
  /** A value stands there as often as it was added. */
  readonly #values = new Map<string, string | string[]>();

  /** The things at that address, each once. */
  at(ip: string): string[] {
    const found = this.#values.get(ip);
    return found === undefined ? [] : [...new Set(typeof found === 'string' ? [found] : found)];
  }

  /** Whether that thing has the address. */
  has(ip: string, value: string): boolean {
    const found = this.#values.get(ip);
    return typeof found === 'string' ? found === value : found?.includes(value) === true;
  }

  add(ip: string, value: string): void {
    const found = this.#values.get(ip);
    if (found === undefined) this.#values.set(ip, value);
    else if (typeof found === 'string') this.#values.set(ip, [found, value]);
    else found.push(value);
  }

  /** Takes one addition back. */
  remove(ip: string, value: string): void {
    const found = this.#values.get(ip);
    if (found === value) this.#values.delete(ip);
    if (!Array.isArray(found)) return;
    const at = found.indexOf(value);
    if (at >= 0) found.splice(at, 1);
    const [last] = found;
    if (found.length === 1 && last !== undefined) this.#values.set(ip, last);
  }
}

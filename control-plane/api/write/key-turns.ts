/**
 * Turns at one key: who met a conflict writes it again alone among those of this server who did, so that any number of
 * writers of one object come through, each once.
 */
export class KeyTurns {
  readonly #last = new Map<string, Promise<void>>();

  /** Resolves when it is the caller's turn. `waited` says whether others had theirs meanwhile; `end` must be called. */
  async take(key: string): Promise<{ readonly waited: boolean; readonly end: () => void }> {
    const before = this.#last.get(key);
    let release = (): void => undefined;
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#last.set(key, mine);
    await before;
    const end = (): void => {
      if (this.#last.get(key) === mine) this.#last.delete(key);
      release();
    };
    return { waited: before !== undefined, end };
  }
}

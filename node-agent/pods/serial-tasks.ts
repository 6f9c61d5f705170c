/** Runs asynchronous functions one after the other, in the order they came. */
export class SerialTasks {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `task` after those before it; settles as it does. A failure does not stop the ones behind. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when nothing is left. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

import { type FSWatcher, watch } from 'node:fs';

/** What tells that something may have happened. */
export interface ExitWatchOptions {
  /** The folder of exit files; must exist. */
  readonly folder: string;
  /** Called with the name of a file that appeared, or null when names were lost and everything should be looked at. */
  readonly onHint: (name: string | null) => void;
}

/**
 * Hints about exit files from the kernel (inotify). Only hints: the kernel's queue overflows silently, so whoever listens
 * also looks by itself now and then. Runs while anybody holds it; `hold` returns the release.
 */
export class ExitWatch {
  readonly #options: ExitWatchOptions;
  #watcher: FSWatcher | null = null;
  #holders = 0;

  constructor(options: ExitWatchOptions) {
    this.#options = options;
  }

  hold(): () => void {
    this.#holders += 1;
    this.#open();
    let held = true;
    return () => {
      if (held) {
        held = false;
        this.#holders -= 1;
        this.#closeIfIdle();
      }
    };
  }

  #open(): void {
    if (this.#watcher !== null) {
      return;
    }
    const watcher = watch(this.#options.folder, { persistent: false }, (_event, name) => this.#options.onHint(name));
    watcher.on('error', () => {
      // The folder was removed under us: the listeners' own look at the files decides what that means.
      watcher.close();
      this.#watcher = null;
      this.#options.onHint(null);
    });
    this.#watcher = watcher;
  }

  #closeIfIdle(): void {
    if (this.#holders === 0) {
      this.#watcher?.close();
      this.#watcher = null;
    }
  }
}

/** The files by which the agent and `bin/skiff-deadman` understand each other. The script says what they mean. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** The last feeding. Seconds of /proc/uptime. */
export interface Feeding {
  readonly fedSeconds: number;
  readonly deadlineSeconds: number;
}

/** A list this young is kept even when none of its cgroups is there: its pod is only being made. */
const YOUNG_MS = 60_000;

/** See the top of the file. All calls are synchronous, small and in memory (`/run`). */
export class DeadManFiles {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** Makes the folders. */
  prepare(): void {
    mkdirSync(join(this.dir, 'pods'), { recursive: true, mode: 0o700 });
  }

  /** The last feeding; undefined when there was none. */
  readFeeding(): Feeding | undefined {
    try {
      const [fed = '', deadline = ''] = readFileSync(join(this.dir, 'fed'), 'utf8').trim().split(' ');
      const feeding = { fedSeconds: Number(fed), deadlineSeconds: Number(deadline) };
      return fed !== '' && Object.values(feeding).every(Number.isSafeInteger) ? feeding : undefined;
    } catch {
      return undefined;
    }
  }

  /** Feeds: whole seconds, rounded so that the pods rather die early than late. */
  feed({ fedSeconds, deadlineSeconds }: Feeding): void {
    this.#write('fed', `${Math.floor(fedSeconds)} ${Math.floor(deadlineSeconds)}\n`);
  }

  /** Whether the pods were ended since {@link clearFired}. */
  get hasFired(): boolean {
    return existsSync(join(this.dir, 'fired'));
  }

  clearFired(): void {
    rmSync(join(this.dir, 'fired'), { force: true });
  }

  /** Names the cgroups of a pod; a list that is there stays. */
  listPod(uid: string, folders: readonly string[]): void {
    const name = join('pods', uid);
    if (existsSync(join(this.dir, name))) return;
    this.prepare();
    this.#write(name, folders.map((folder) => `${folder}\n`).join(''));
  }

  unlistPod(uid: string): void {
    rmSync(join(this.dir, 'pods', uid), { force: true });
  }

  /** Forgets the pods of which no cgroup is left. */
  sweep(nowMs: number): void {
    for (const uid of this.#listed()) {
      const file = join(this.dir, 'pods', uid);
      const folders = readFileSync(file, 'utf8').split('\n').filter(Boolean);
      if (nowMs - statSync(file).mtimeMs > YOUNG_MS && !folders.some((folder) => existsSync(folder))) unlinkSync(file);
    }
  }

  /** Takes everything away, with the watchdog gone. */
  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #listed(): readonly string[] {
    try {
      // Not what is being written just now.
      return readdirSync(join(this.dir, 'pods')).filter((name) => !name.endsWith('.new'));
    } catch {
      return [];
    }
  }

  #write(name: string, text: string): void {
    // In the folder above for the lists, so that the watchdog never takes a part of one for a pod.
    const draft = join(this.dir, `${name.replaceAll('/', '-')}.new`);
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, join(this.dir, name));
  }
}

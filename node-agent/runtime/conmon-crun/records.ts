import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { ProcessRef } from '../../../lib/process.ts';
import type { ContainerConfig, Sandbox, SandboxConfig } from '../runtime.ts';

/** Raised when the shape of a record changes; an older one is read as long as its version is known here. */
const RECORD_VERSION = 1;

/** A container as saved beside its bundle. */
export interface ContainerRecord {
  readonly version: number;
  readonly config: ContainerConfig;
  readonly createdAt: string;
  /** Null until create ended. */
  readonly process: ProcessRef | null;
  readonly monitor: ProcessRef | null;
}

/** A sandbox as saved beside its namespace files. */
export interface SandboxRecord {
  readonly version: number;
  readonly sandbox: Omit<Sandbox, 'ready'>;
  readonly config: SandboxConfig;
  /** The process that holds a shared PID namespace. */
  readonly holder: ProcessRef | null;
}

/** Where everything of one runtime lives. All paths hang off `<root>/run/skiff`, which a reboot clears. */
export class RuntimePaths {
  readonly run: string;

  constructor(root: string) {
    this.run = `${root === '/' ? '' : root.replace(/\/$/, '')}/run/skiff`;
  }

  get sandboxes(): string {
    return `${this.run}/sandboxes`;
  }
  get containers(): string {
    return `${this.run}/containers`;
  }
  /** The monitor writes `<exits>/<container id>` with the exit code when a container ends. */
  get exits(): string {
    return `${this.run}/exits`;
  }
  /** The OCI runtime's own state. */
  get state(): string {
    return `${this.run}/oci`;
  }
  sandbox(podUid: string): string {
    return `${this.sandboxes}/${podUid}`;
  }
  bundle(id: string): string {
    return `${this.containers}/${id}`;
  }
  exitFile(id: string): string {
    return `${this.exits}/${id}`;
  }
  /** Exists from create until the container's command is let go: the one sign of "created, not started". */
  startFifo(id: string): string {
    return `${this.state}/${id}/exec.fifo`;
  }

  /** Makes the folders, readable by root only. */
  prepare(): void {
    mkdirSync(this.run, { recursive: true, mode: 0o700 });
    for (const folder of [this.sandboxes, this.containers, this.exits, this.state]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
  }
}

/** Writes JSON so that a reader, or we after a kill, sees the old or the new content, never a part. */
export function writeRecord(file: string, record: object): void {
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, JSON.stringify({ ...record, version: RECORD_VERSION }), { mode: 0o600 });
  renameSync(temporary, file);
}

/** The container's record, or null when there is none (yet), or it was written by a version we do not know. */
export function readContainerRecord(paths: RuntimePaths, id: string): ContainerRecord | null {
  return readRecord<ContainerRecord>(`${paths.bundle(id)}/container.json`);
}

/** The sandbox's record, or null. */
export function readSandboxRecord(paths: RuntimePaths, podUid: string): SandboxRecord | null {
  return readRecord<SandboxRecord>(`${paths.sandbox(podUid)}/sandbox.json`);
}

/** Names in a folder; none when it does not exist. */
export function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A whole file as text, or null when it is not there. */
export function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** Removes a file or folder; missing is fine. */
export function removePath(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function readRecord<T extends { readonly version: number }>(file: string): T | null {
  const text = readText(file);
  if (text === null) {
    return null;
  }
  try {
    const record: T = JSON.parse(text);
    return record.version === RECORD_VERSION ? record : null;
  } catch {
    // Only a disk fault gets here (writes go by rename): treated as absent, so that the sweep clears it away.
    return null;
  }
}

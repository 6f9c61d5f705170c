/** A pod as saved on its node: enough to keep it running while the server is away. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { corev1 } from '../../proto/index.ts';
import type { PodConfig } from './pod-config.ts';

/** Raised when the shape changes; an unknown version is treated as no snapshot. */
const VERSION = 1;

/** What is saved. */
export interface PodSnapshot {
  readonly pod: corev1.Pod;
  readonly config: PodConfig;
  /** RFC 3339. */
  readonly startTime: string;
}

/**
 * Writes the snapshot so that a reader sees the old or the new one, never a part. Readable by root only: it carries the
 * pod's Secrets. Objects are stored as their protobuf bytes, which keep what this version does not know.
 */
export function writeSnapshot(file: string, snapshot: PodSnapshot): void {
  const record = {
    version: VERSION,
    startTime: snapshot.startTime,
    pod: base64(corev1.Pod.encode(snapshot.pod).finish()),
    configMaps: mapValues(snapshot.config.configMaps, (map) => base64(corev1.ConfigMap.encode(map).finish())),
    secrets: mapValues(snapshot.config.secrets, (secret) => base64(corev1.Secret.encode(secret).finish())),
  };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.tmp`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** The snapshot, or null when there is none that can be read. */
export async function readSnapshot(file: string): Promise<PodSnapshot | null> {
  try {
    const record: Partial<Record<string, unknown>> = JSON.parse(await readFile(file, 'utf8'));
    if (record.version !== VERSION) return null;
    return {
      pod: corev1.Pod.decode(Buffer.from(String(record.pod), 'base64')),
      startTime: String(record.startTime),
      config: {
        configMaps: decodeMap(record.configMaps, (bytes) => corev1.ConfigMap.decode(bytes)),
        secrets: decodeMap(record.secrets, (bytes) => corev1.Secret.decode(bytes)),
      },
    };
  } catch {
    // Absent, or not written by us: the pod is then unknown and will be cleared away.
    return null;
  }
}

/** All snapshots below `run/pods`, by pod uid; null for a folder without a readable one. */
export async function readSnapshots(podsDir: string): Promise<ReadonlyMap<string, PodSnapshot | null>> {
  const names = await readdir(podsDir).catch(() => []);
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readSnapshot(join(podsDir, name, 'pod.json'))] as const)),
  );
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function mapValues<T>(map: ReadonlyMap<string, T>, encode: (value: T) => string): Record<string, string> {
  return Object.fromEntries([...map].map(([name, value]) => [name, encode(value)]));
}

function decodeMap<T>(value: unknown, decode: (bytes: Uint8Array) => T): ReadonlyMap<string, T> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).map(([name, text]) => [name, decode(Buffer.from(String(text), 'base64'))]));
}

/** The demo images, built once per test process from Debian packages and loaded into test clusters. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';

const project = join(import.meta.dirname, '../..');
const built = new Map<string, string>();

/** Archive with the images of these recipes or references. Built anew in every process: packages may have changed. */
function archive(names: readonly string[]): string {
  const key = names.join(' ');
  const found = built.get(key);
  if (found !== undefined && existsSync(found)) return found;
  const out = join(tmpdir(), `skiff-test-images-${process.pid}`);
  mkdirSync(out, { recursive: true });
  const text = execFileSync(process.execPath, [join(project, 'dist/demo-images.cjs'), '--out', out, ...names], {
    encoding: 'utf8',
  });
  const path = text.split(' ')[0] ?? '';
  built.set(key, path);
  return path;
}

/** Loads busybox under its usual tags. */
export async function loadBusybox(cluster: TestCluster): Promise<void> {
  await load(cluster, archive(['busybox']));
}

/** Loads the nginx image under the references asked for. */
export async function loadNginx(cluster: TestCluster, references: readonly string[]): Promise<void> {
  await load(cluster, archive(references));
}

/** An OCI archive with the busybox image under its usual tags, `docker.io/library/busybox:1.36` among them. */
export function busyboxArchive(): string {
  return archive(['busybox']);
}

async function load(cluster: TestCluster, path: string): Promise<void> {
  await cluster.ok(['image', 'load', path, '--socket', cluster.path('run/skiff/agent.sock')]);
}

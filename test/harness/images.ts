/** The demo images, built once per test process from Debian packages and loaded into test clusters. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';
import { forgetRun, newRun, type TestRun } from './run.ts';

const project = join(import.meta.dirname, '../..');
const built = new Map<string, string>();
let folder: TestRun | undefined;

/** Where this process keeps its archives: gone with it, or swept by the next run. */
function archives(): string {
  if (folder === undefined) {
    const run = newRun();
    folder = run;
    process.once('exit', () => forgetRun(run));
  }
  return folder.dir;
}

/** Archive with the images of these recipes or references. Built anew in every process: packages may have changed. */
function archive(names: readonly string[]): string {
  const key = names.join(' ');
  const found = built.get(key);
  if (found !== undefined) return found;
  const argv = [join(project, 'dist/demo-images.cjs'), '--out', join(archives(), String(built.size)), ...names];
  const text = execFileSync(process.execPath, argv, { encoding: 'utf8' });
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

/** An OCI archive of a recipe or of single references; see build/demo-images. */
export function imageArchive(...names: readonly string[]): string {
  return archive(names);
}

async function load(cluster: TestCluster, path: string): Promise<void> {
  await cluster.ok(['image', 'load', path, '--socket', cluster.path('run/skiff/agent.sock')]);
}

/** Debian's Redis under the names that well-known examples ask for, and as a follower of `redis-leader`. */

import { run } from '../../lib/exec.ts';
import type { ImageSpec, LayerFile } from '../../lib/oci-image-writer.ts';
import { busyboxLayer, PATH_VARIABLE } from './busybox.ts';
import { hostFile, sharedLibraries } from './host-files.ts';

/** Where the follower of the guestbook example is looked for. */
export const FOLLOWER_REPOSITORY = 'gcr.io/google_samples/gb-redis-follower';

/** The versions that examples name. */
export const REDIS_REFERENCES = ['latest', '6.0.5', 'alpine', '7'].map((tag) => `docker.io/library/redis:${tag}`);

const PROGRAM = '/usr/bin/redis-server';
const PACKAGE = 'redis-server';

/** Takes connections from everywhere, keeps nothing on disk. */
const SERVER = ['redis-server', '--protected-mode', 'no', '--bind', '0.0.0.0', '--save', '', '--appendonly', 'no'];

/** One program under several names; those of the follower's repository follow `redis-leader`. */
export async function redisImages(references: readonly string[]): Promise<ImageSpec[]> {
  const layers = [await busyboxLayer(), await redisLayer()];
  const { stdout } = await run(PROGRAM, ['--version']);
  const version = /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown';
  return references.map((reference) => ({
    references: [reference],
    layers,
    config: {
      Env: [PATH_VARIABLE, `REDIS_VERSION=${version}`],
      Cmd: reference.startsWith(`${FOLLOWER_REPOSITORY}:`)
        ? [...SERVER, '--replicaof', 'redis-leader', '6379']
        : SERVER,
      WorkingDir: '/data',
      ExposedPorts: { '6379/tcp': {} },
      Labels: { 'skiff.demo.name': reference, 'skiff.demo.content': `redis ${version} from Debian` },
    },
  }));
}

async function redisLayer(): Promise<LayerFile[]> {
  return [
    hostFile(PROGRAM, { debianPackage: PACKAGE }),
    ...(await sharedLibraries(PROGRAM)),
    { kind: 'directory', path: 'data', mode: 0o777 },
  ];
}

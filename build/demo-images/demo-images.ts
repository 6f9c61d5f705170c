/** The images that the examples and the tests run, built from this machine's Debian packages. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImageSpec, writeOciArchive } from '../../lib/oci-image-writer.ts';
import { BUSYBOX_REFERENCES, busyboxImages } from './busybox.ts';
import { GUESTBOOK_REFERENCES, GUESTBOOK_REPOSITORY, guestbookImages } from './guestbook.ts';
import { HELLO_REFERENCES, helloImages } from './hello.ts';
import { NGINX_REFERENCES, nginxImages } from './nginx.ts';
import { POSTGRES_REFERENCES, postgresImages } from './postgres.ts';
import { FOLLOWER_REPOSITORY, REDIS_REFERENCES, redisImages } from './redis.ts';
import { VOTING_REFERENCES, VOTING_REPOSITORIES, votingAppImages } from './voting-app.ts';

/** What to build and where. */
export interface DemoImagesOptions {
  /** Made when missing. */
  readonly outDir: string;
  /**
   * Recipes with all their usual tags (`busybox`, `hello`, `nginx`), or single references (`nginx:1.14.2`). Default:
   * `busybox` and `hello`, which need nothing but the busybox-static package.
   */
  readonly names?: readonly string[];
}

/** An OCI archive with one image under several names, or several images. */
export interface DemoImageArchive {
  readonly archivePath: string;
  /** Full names, such as `docker.io/library/busybox:1.36`. */
  readonly references: readonly string[];
}

interface Recipe {
  /** Where references of this recipe are; the first is its own. */
  readonly repositories: readonly string[];
  readonly references: readonly string[];
  readonly build: (references: readonly string[]) => Promise<ImageSpec[]>;
}

const RECIPES: Readonly<Record<string, Recipe>> = {
  busybox: { repositories: ['docker.io/library/busybox'], references: BUSYBOX_REFERENCES, build: busyboxImages },
  hello: { repositories: ['skiff.local/hello'], references: HELLO_REFERENCES, build: helloImages },
  nginx: { repositories: ['docker.io/library/nginx'], references: NGINX_REFERENCES, build: nginxImages },
  redis: {
    repositories: ['docker.io/library/redis', FOLLOWER_REPOSITORY],
    references: REDIS_REFERENCES,
    build: redisImages,
  },
  postgres: {
    repositories: ['docker.io/library/postgres'],
    references: POSTGRES_REFERENCES,
    build: postgresImages,
  },
  'voting-app': { repositories: VOTING_REPOSITORIES, references: VOTING_REFERENCES, build: votingAppImages },
  guestbook: { repositories: [GUESTBOOK_REPOSITORY], references: GUESTBOOK_REFERENCES, build: guestbookImages },
};

/**
 * Writes one archive per recipe, `<outDir>/<recipe>.tar`, replacing what was there. Equal packages give equal bytes.
 * Throws when a package is missing, naming it, and for an unknown name.
 */
export async function buildDemoImages(options: DemoImagesOptions): Promise<DemoImageArchive[]> {
  const wanted = wantedReferences(options.names ?? ['busybox', 'hello']);
  await mkdir(options.outDir, { recursive: true });
  const archives: DemoImageArchive[] = [];
  for (const [name, references] of wanted) {
    const specs = (await RECIPES[name]?.build(references)) ?? [];
    const archivePath = join(options.outDir, `${name}.tar`);
    await writeOciArchive(archivePath, specs);
    archives.push({ archivePath, references });
  }
  return archives;
}

/** References to build by recipe. */
function wantedReferences(names: readonly string[]): Map<string, readonly string[]> {
  const wanted = new Map<string, readonly string[]>();
  for (const name of names) {
    const found = Object.entries(RECIPES).find(
      ([recipeName, recipe]) =>
        recipeName === name ||
        recipe.repositories.some((repository) => fullReference(name).startsWith(`${repository}:`)),
    );
    if (found === undefined) {
      throw new Error(`Cannot build the image ${name}: there are recipes for ${Object.keys(RECIPES).join(', ')} only`);
    }
    const [recipeName, recipe] = found;
    const more = recipeName === name ? recipe.references : [fullReference(name)];
    wanted.set(recipeName, [...new Set([...(wanted.get(recipeName) ?? []), ...more])]);
  }
  return wanted;
}

function fullReference(name: string): string {
  return name.includes('/') ? name : `docker.io/library/${name}`;
}

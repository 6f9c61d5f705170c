import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildDemoImages } from './demo-images.ts';

const hasBusybox = existsSync('/usr/bin/busybox');

describe.skipIf(!hasBusybox)('demo images (need busybox-static)', () => {
  let outDir: string;

  beforeEach(async () => {
    outDir = await mkdtemp(join(tmpdir(), 'skiff-demo-'));
  });
  afterEach(() => rm(outDir, { recursive: true }));

  it('are the same bytes each time', async () => {
    const [first] = await buildDemoImages({ outDir, names: ['hello'] });
    const bytes = await readFile(first?.archivePath ?? '');
    await buildDemoImages({ outDir, names: ['hello'] });
    expect((await readFile(first?.archivePath ?? '')).equals(bytes)).toBe(true);
  });

  it('are built by recipe with the usual tags, or by reference', async () => {
    expect(await buildDemoImages({ outDir, names: ['hello', 'busybox:1.36', 'busybox:latest'] })).toEqual([
      { archivePath: join(outDir, 'hello.tar'), references: ['skiff.local/hello:1', 'skiff.local/hello:2'] },
      {
        archivePath: join(outDir, 'busybox.tar'),
        references: ['docker.io/library/busybox:1.36', 'docker.io/library/busybox:latest'],
      },
    ]);
  });

  it('are refused when there is no recipe', async () => {
    await expect(buildDemoImages({ outDir, names: ['mysql:8'] })).rejects.toThrow(
      'recipes for busybox, hello, nginx, redis, postgres, voting-app, guestbook only',
    );
  });
});

import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  buildImage,
  encodeOciArchive,
  hostArchitecture,
  type ImageSpec,
  sha256Digest,
} from '../../lib/oci-image-writer.ts';
import { type ImageProgress, isImageError } from '../../node-agent/images/image-store.ts';
import { OverlayImageStore } from '../../node-agent/images/overlay-image-store.ts';
import { SkopeoRegistry, type SkopeoRegistryOptions } from '../../node-agent/images/skopeo-registry.ts';
import { waitFor } from '../harness/wait.ts';
import { ACCOUNT, freePort, LoopbackRegistry } from './loopback-registry.ts';

const missing = ['docker-registry', 'skopeo'].filter((program) => {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
});
const isRoot = process.getuid?.() === 0;
const why = !isRoot ? ' (skipped: needs root)' : missing.length > 0 ? ` (skipped: needs ${missing.join(', ')})` : '';

describe.skipIf(why !== '')(`images from a registry${why}`, () => {
  let folder: string;
  let registry: LoopbackRegistry;
  let store: OverlayImageStore;
  let runs = 0;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skiff-registry-'));
    registry = await LoopbackRegistry.start(join(folder, 'open'), { auth: false });
    registry.push(await archive('app'), 'team/app:1');
    registry.push(await archive('app'), 'team/app:docker', ['--format', 'v2s2']);
  });

  afterAll(async () => {
    await registry.stop();
    await rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    store = await openStore();
  });

  afterEach(async () => {
    const images = join(folder, `images${runs}`);
    expect(await readdir(join(images, 'staging'))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(images);
  });

  async function openStore(options: SkopeoRegistryOptions = {}): Promise<OverlayImageStore> {
    runs += 1;
    const opened = new OverlayImageStore({
      directory: join(folder, `images${runs}`),
      registry: new SkopeoRegistry(options),
      syncToDisk: false,
    });
    await opened.sweep();
    return opened;
  }

  function spec(seed: string, extra: Partial<ImageSpec> = {}): ImageSpec {
    return {
      references: ['x:1'],
      layers: [
        [{ kind: 'file', path: 'base', content: 'base'.repeat(1000) }],
        [{ kind: 'file', path: 'seed', content: seed }],
      ],
      config: { Cmd: [seed] },
      compression: 'gzip',
      ...extra,
    };
  }

  async function archive(seed: string, extra: Partial<ImageSpec> = {}): Promise<string> {
    const path = join(folder, `${seed}.tar`);
    await writeFile(path, encodeOciArchive([buildImage(spec(seed, extra))]));
    return path;
  }

  it('are pulled, unpacked and known by tag and by what the registry calls them', async () => {
    const seen: ImageProgress[] = [];
    const image = await store.pull(`${registry.host}/team/app:1`, {
      signal,
      onProgress: (progress) => seen.push(progress),
    });
    const built = buildImage(spec('app'));
    expect(image.id).toBe(built.id);
    expect(image.references).toEqual([`${registry.host}/team/app:1`]);
    expect(image.repoDigests).toEqual([`${registry.host}/team/app@${built.manifestDigest}`]);
    expect(image.config).toEqual({ cmd: ['app'] });
    expect(await store.resolve(image.repoDigests[0] ?? '')).toEqual(image);
    expect(seen.at(-1)).toEqual({ phase: 'done', layersDone: 2, layersTotal: 2 });
    expect(seen.map((progress) => progress.phase)).toContain('downloading');
    const { path } = await store.mountRootfs(image, 'pulled');
    expect(readFileSync(join(path, 'seed'), 'utf8')).toBe('app');
    await store.unmountRootfs('pulled');
  });

  it('have the same id whether the registry keeps them in OCI or in Docker form', async () => {
    const oci = await store.pull(`${registry.host}/team/app:1`, { signal });
    const docker = await store.pull(`${registry.host}/team/app:docker`, { signal });
    expect(docker.id).toBe(oci.id);
    expect(docker.repoDigests).toHaveLength(2);
    expect(await store.list()).toHaveLength(1);
  });

  it('are pulled by digest, and get no tag then', async () => {
    const { manifestDigest } = buildImage(spec('app'));
    const image = await store.pull(`${registry.host}/team/app@${manifestDigest}`, { signal });
    expect(image.references).toEqual([]);
    expect(await store.resolve(`${registry.host}/team/app@${manifestDigest}`)).toEqual(image);
  });

  it('are not downloaded again when nothing is new, and only the new layers otherwise', async () => {
    await store.pull(`${registry.host}/team/app:1`, { signal });
    const before = registry.blobDownloads();
    await store.pull(`${registry.host}/team/app:1`, { signal });
    expect(registry.blobDownloads()).toBe(before);
    registry.push(await archive('newer'), 'team/app:2');
    await store.pull(`${registry.host}/team/app:2`, { signal });
    const layerAndConfig = 2;
    // skopeo may read the configuration once more to look at the platform.
    expect(registry.blobDownloads() - before).toBeLessThanOrEqual(layerAndConfig + 1);
  });

  it('move a tag when the registry moved it', async () => {
    registry.push(await archive('first'), 'team/moving:1');
    const first = await store.pull(`${registry.host}/team/moving:1`, { signal });
    registry.push(await archive('second'), 'team/moving:1');
    const second = await store.pull(`${registry.host}/team/moving:1`, { signal });
    expect(second.id).not.toBe(first.id);
    expect((await store.resolve(first.id))?.references).toEqual([]);
    expect((await store.resolve(`${registry.host}/team/moving:1`))?.id).toBe(second.id);
  });

  it('are picked from a multi-platform index by this machine, and refused when it is not in there', async () => {
    const mine = buildImage(spec('mine'));
    const other = buildImage(spec('other', { architecture: 's390x' }));
    for (const [name, members] of [
      ['both', [other, mine]],
      ['foreign', [other]],
    ] as const) {
      const index = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.index.v1+json',
          manifests: members.map((each) => ({
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            digest: each.manifestDigest,
            size: each.manifest.length,
            platform: { os: 'linux', architecture: each === mine ? hostArchitecture() : 's390x' },
          })),
        }),
      );
      const blobs = new Map([...other.blobs, ...mine.blobs, [sha256Digest(index), index]]);
      const bytes = encodeOciArchive([
        { ...mine, references: [], manifestDigest: sha256Digest(index), manifest: index, blobs },
      ]);
      await writeFile(join(folder, `${name}.tar`), bytes);
      // The index has to say that it is one.
      const text = bytes
        .toString('latin1')
        .replace(
          `"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"${sha256Digest(index)}"`,
          `"mediaType":"application/vnd.oci.image.index.v1+json",   "digest":"${sha256Digest(index)}"`,
        );
      await writeFile(join(folder, `${name}.tar`), Buffer.from(text, 'latin1'));
      await pushLayout(join(folder, `${name}.tar`), `${registry.host}/team/${name}:1`);
      if (name === 'both') {
        const image = await store.pull(`${registry.host}/team/both:1`, { signal });
        expect(image.id).toBe(mine.id);
        expect(image.repoDigests).toEqual([`${registry.host}/team/both@${sha256Digest(index)}`]);
      } else {
        await expect(store.pull(`${registry.host}/team/foreign:1`, { signal })).rejects.toThrow(
          /linux\/s390x, not for linux/,
        );
      }
    }
  });

  /** Pushes a layout whose top is an index, blob by blob, as the registry's own protocol has it. */
  async function pushLayout(path: string, target: string): Promise<void> {
    const layout = `${path}.layout`;
    await mkdir(layout);
    execFileSync('tar', ['-xf', path, '-C', layout]);
    const [host = '', ...rest] = target.split('/');
    const [repository = '', tag = ''] = rest.join('/').split(':');
    const top = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
    const index = readFileSync(join(layout, 'blobs/sha256', (top.manifests[0]?.digest ?? '').slice(7)));
    const manifests = (JSON.parse(index.toString()) as { manifests: { digest: string }[] }).manifests.map(
      (each) => each.digest,
    );
    for (const name of await readdir(join(layout, 'blobs/sha256'))) {
      const start = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
      const location = new URL(start.headers.get('location') ?? '', `http://${host}`);
      location.searchParams.set('digest', `sha256:${name}`);
      await fetch(location, { method: 'PUT', body: readFileSync(join(layout, 'blobs/sha256', name)) });
    }
    const put = async (reference: string, body: Buffer, type: string): Promise<void> => {
      const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, {
        method: 'PUT',
        headers: { 'content-type': type },
        body: new Uint8Array(body),
      });
      expect(answer.status, await answer.text()).toBe(201);
    };
    for (const digest of manifests) {
      await put(
        digest,
        readFileSync(join(layout, 'blobs/sha256', digest.slice(7))),
        'application/vnd.oci.image.manifest.v1+json',
      );
    }
    await put(tag, index, 'application/vnd.oci.image.index.v1+json');
  }

  it('in the form of docker save, made by another tool, are loaded under the same id', async () => {
    const path = join(folder, 'docker-save.tar');
    const source = await archive('saved');
    execFileSync('skopeo', [
      'copy',
      '--quiet',
      `oci-archive:${source}`,
      `docker-archive:${path}:example.com/team/saved:1`,
    ]);
    const [image] = await store.load(path);
    expect(image?.id).toBe(buildImage(spec('saved')).id);
    expect(image?.references).toEqual(['example.com/team/saved:1']);
  });

  it('share one transfer among callers, which lives until the last has left', async () => {
    const before = registry.blobDownloads();
    const name = `${registry.host}/team/app:1`;
    const impatient = new AbortController();
    const left = store.pull(name, { signal: impatient.signal });
    const stayed = [store.pull(name, { signal }), store.pull(name, { signal })];
    impatient.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    const [one, two] = await Promise.all(stayed);
    expect(one).toEqual(two);
    const onePull = registry.blobDownloads() - before;
    expect(onePull).toBeLessThanOrEqual(4);
  });

  it.each([
    ['a tag that is not there', 'team/app:nope', 'does not have it'],
    ['a repository that is not there', 'team/nope:1', 'does not have it'],
    ['a digest that is not there', `team/app@sha256:${'ab'.repeat(32)}`, 'does not have it'],
  ])('fail as not found for %s', async (_name, path, message) => {
    const failed = store.pull(`${registry.host}/${path}`, { signal });
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toSatisfy(
      (err) => isImageError(err, 'NotFound') && err.waitingReason === 'ErrImagePull',
    );
  });

  it('fail as unreachable when nobody listens', async () => {
    const failed = store.pull(`127.0.0.1:${await freePort()}/team/app:1`, { signal });
    await expect(failed).rejects.toThrow('connection refused');
    await expect(failed).rejects.toSatisfy((err) => isImageError(err, 'Unreachable'));
  });

  it('are not fetched over plain HTTP from a host that was declared secure', async () => {
    store = await openStore({ registries: { [registry.host]: { insecure: false } } });
    await expect(store.pull(`${registry.host}/team/app:1`, { signal })).rejects.toSatisfy((err) =>
      isImageError(err, 'Unreachable'),
    );
  });

  it('come from the mirror when it has them and from the registry itself when not', async () => {
    const down = `127.0.0.1:${await freePort()}`;
    store = await openStore({
      registries: { 'docker.io': { mirrors: [down, registry.host] }, [registry.host]: { mirrors: [down] } },
    });
    const mirrored = await store.pull('team/app:1', { signal });
    expect(mirrored.references).toEqual(['docker.io/team/app:1']);
    const own = await store.pull(`${registry.host}/team/app:1`, { signal });
    expect(own.id).toBe(mirrored.id);
  });

  describe('with a password', () => {
    let closed: LoopbackRegistry;
    const alice = ACCOUNT;

    beforeAll(async () => {
      closed = await LoopbackRegistry.start(join(folder, 'closed'), { auth: true });
      closed.push(await archive('private'), 'team/private:1', [
        '--dest-creds',
        `${ACCOUNT.username}:${ACCOUNT.password}`,
      ]);
    });
    afterAll(() => closed.stop());

    it('are pulled with the right one, also after a wrong one', async () => {
      const wrong = { username: 'mallory', password: 'wrong' };
      const image = await store.pull(`${closed.host}/team/private:1`, { signal, auth: [wrong, alice] });
      expect(image.config).toEqual({ cmd: ['private'] });
    });

    it.each([
      ['none', []],
      ['a wrong one', [{ username: 'alice', password: 'not-this-one' }]],
    ])('are refused with %s, and the message has no password', async (_name, auth) => {
      const err = await store.pull(`${closed.host}/team/private:1`, { signal, auth }).then(
        () => undefined,
        (each: unknown) => each,
      );
      expect(isImageError(err, 'Unauthorized'), String(err)).toBe(true);
      expect(String(err)).toContain('refuses access');
      expect(String(err)).not.toContain('not-this-one');
    });
  });

  describe('against a registry that misbehaves', () => {
    let server: Server;
    let host: string;
    let answer: (path: string) => { readonly status: number; readonly body: string } | 'hang';
    let requests: string[];

    beforeEach(async () => {
      requests = [];
      server = createServer((request, response) => {
        requests.push(request.url ?? '');
        const what = request.url === '/v2/' ? { status: 200, body: '{}' } : answer(request.url ?? '');
        if (what !== 'hang') {
          response.writeHead(what.status, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' });
          response.end(what.body);
        }
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    });

    afterEach(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    it.each([
      ['text instead of a manifest', 'hello', 'InvalidImage'],
      ['an endless manifest', `{"x":"${'y'.repeat(5_000_000)}"}`, undefined],
      ['a manifest without layers', '{"schemaVersion":2,"config":{}}', 'InvalidImage'],
    ] as const)('fail cleanly on %s', async (_name, body, code) => {
      answer = () => ({ status: 200, body });
      await expect(store.pull(`${host}/a/b:1`, { signal })).rejects.toSatisfy((err) =>
        code === undefined ? isImageError(err) : isImageError(err, code),
      );
      expect(await store.list()).toEqual([]);
    });

    it('fail as unreachable on a server error', async () => {
      answer = () => ({ status: 503, body: 'busy' });
      await expect(store.pull(`${host}/a/b:1`, { signal })).rejects.toSatisfy((err) =>
        isImageError(err, 'Unreachable'),
      );
    });

    it('fail as unreachable when it never answers', async () => {
      answer = () => 'hang';
      store = await openStore({ documentTimeoutMs: 300 });
      await expect(store.pull(`${host}/a/b:1`, { signal })).rejects.toThrow('did not answer in time');
    });

    it('fail as unreachable when a layer never arrives', async () => {
      const built = buildImage(spec('stalled'));
      answer = (path) => (path.includes('/manifests/') ? { status: 200, body: built.manifest.toString() } : 'hang');
      store = await openStore({ stallMs: 300 });
      await expect(store.pull(`${host}/a/b:1`, { signal })).rejects.toThrow('nothing arrived');
    });

    it('never show the password to other users of the machine, in no file and in no argument', async () => {
      answer = () => 'hang';
      const cancel = new AbortController();
      const auth = [{ username: 'alice', password: 'visible-to-nobody' }];
      const pull = store.pull(`${host}/a/b:1`, { signal: cancel.signal, auth }).catch(String);
      await waitFor('the pull to run', () => requests.some((path) => path !== '/v2/'));
      const staging = join(folder, `images${runs}`, 'staging');
      const files = (await readdir(staging, { recursive: true })).filter((name) => name.endsWith('auth.json'));
      expect(files).toHaveLength(1);
      expect(statSync(join(staging, files[0] ?? '')).mode & 0o777).toBe(0o600);
      const secrets = ['visible-to-nobody', Buffer.from('alice:visible-to-nobody').toString('base64')];
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const shown = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
      }
      cancel.abort(new Error('enough'));
      expect(await pull).toBe('Error: enough');
    });

    it('stop at once when cancelled, also while waiting for a turn', async () => {
      answer = () => 'hang';
      const cancel = new AbortController();
      const pulls = [1, 2, 3, 4, 5].map((tag) => store.pull(`${host}/a/b:${tag}`, { signal: cancel.signal }));
      await waitFor('three pulls to run', () => requests.filter((path) => path !== '/v2/').length === 3);
      cancel.abort(new Error('enough'));
      const outcomes = await Promise.allSettled(pulls);
      expect(outcomes.map((each) => (each.status === 'rejected' ? String(each.reason) : each.status))).toEqual(
        pulls.map(() => 'Error: enough'),
      );
      expect(requests.filter((path) => path !== '/v2/')).toHaveLength(3);
    });
  });
});

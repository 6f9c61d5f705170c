import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readManifests } from './read-manifests.ts';

const pod = (name: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n`;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skiff-manifests-'));
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'b.yml'), pod('b'));
  await writeFile(join(folder, 'a.yaml'), `\ufeff${pod('a').replaceAll('\n', '\r\n')}`);
  await writeFile(join(folder, 'c.json'), JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'c' } }));
  await writeFile(join(folder, 'd.txt'), 'not a manifest: [');
  await writeFile(join(folder, 'sub', 'e.yaml'), pod('e'));
  await writeFile(join(folder, 'sub', 'f.yaml'), Buffer.from(`\ufeff${pod('f')}`, 'utf16le'));
});

afterAll(() => rm(folder, { recursive: true }));

async function names(files: readonly string[], recursive = false, stdin = ''): Promise<(string | undefined)[]> {
  const found = await readManifests(files, { recursive, stdin: Readable.from([stdin]), warn: () => {} });
  return found.map((manifest) => manifest.name);
}

test('a folder is read by file name, its folders only when asked', async () => {
  expect(await names([folder])).toEqual(['a', 'b', 'c']);
  expect(await names([folder], true)).toEqual(['a', 'b', 'c', 'e', 'f']);
});

test('files come in the order named, with standard input as -', async () => {
  expect(await names([join(folder, 'b.yml'), '-', join(folder, 'a.yaml')], false, pod('stdin'))).toEqual([
    'b',
    'stdin',
    'a',
  ]);
});

test('an http address is fetched', async () => {
  const server = createServer((request, reply) => {
    reply.statusCode = request.url === '/web.yaml' ? 200 : 404;
    reply.end(pod('web'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  try {
    expect(await names([`${base}/web.yaml`])).toEqual(['web']);
    await expect(names([`${base}/none.yaml`])).rejects.toThrow(
      'it cannot be fetched: the server answered 404 Not Found',
    );
  } finally {
    server.close();
  }
});

test('what cannot be read is named', async () => {
  const empty = join(folder, 'sub', 'empty.txt');
  const binary = join(folder, 'sub', 'binary.txt');
  const nul = join(folder, 'sub', 'nul.txt');
  await writeFile(empty, '');
  await writeFile(binary, Buffer.from([0x61, 0xff, 0xfe, 0x80]));
  await writeFile(nul, 'a\0b');
  await expect(names(['/no/such.yaml'])).rejects.toThrow('/no/such.yaml: there is no such file or folder');
  await expect(names([empty])).rejects.toThrow(`${empty}: there are no objects in it`);
  await expect(names(['-'], false, '# nothing\n')).rejects.toThrow('STDIN: there are no objects in it');
  await expect(names([binary])).rejects.toThrow(`${binary}: it is not text in UTF-8`);
  await expect(names([nul])).rejects.toThrow(`${nul}: it is not text: it holds a NUL byte`);
});

test('problems of several files are told at once', async () => {
  const failing = names([join(folder, 'sub', 'empty.txt'), '-', join(folder, 'a.yaml')], false, 'kind: Pod');
  await expect(failing).rejects.toThrow(/no objects in it[\s\S]*STDIN:1:1: the Pod has no "apiVersion"/);
});

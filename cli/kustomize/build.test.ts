import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../manifest/manifest.ts';
import { formatProblem } from '../manifest/manifest-error.ts';
import { parseManifests } from '../manifest/read-manifests.ts';
import { SourceText } from '../manifest/source-text.ts';
import { formatYaml } from '../output/yaml-output.ts';
import { buildKustomization } from './build.ts';

const testdata = join(import.meta.dirname, 'testdata');
const scratch = mkdtempSync(join(tmpdir(), 'skiff-kustomize-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function build(folder: string): Promise<Manifest[]> {
  return buildKustomization(folder, { stdin: Readable.from([]), warn: () => {} });
}

/** The program whose results are to be had, if this machine has it. */
function reference(): ((folder: string) => string) | undefined {
  for (const [program, ...args] of [
    ['kustomize', 'build'],
    ['kubectl', 'kustomize'],
  ] as const) {
    try {
      const version = execFileSync(program, ['version', ...(program === 'kubectl' ? ['--client'] : [])], {
        encoding: 'utf8',
      });
      // Older ones print another order and other hashes.
      if (!/v5\./.test(version)) continue;
      return (folder) =>
        execFileSync(program, [...args, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {}
  }
  return undefined;
}

/** Encoded bytes without the line ends kustomize puts into them. */
function objectsOf(text: string): unknown[] {
  return parseManifests(new SourceText('reference', text), () => {}).map(({ value }) =>
    JSON.parse(JSON.stringify(value), (_, part: unknown) =>
      typeof part === 'string' && /^[A-Za-z0-9+/\n]{70,}=*\n$/.test(part) ? part.replaceAll('\n', '') : part,
    ),
  );
}

const program = reference();

describe.each(['overlay', 'overlay/base', 'variants', 'parts', 'images-and-patches', 'names'])('%s', (name) => {
  const folder = join(testdata, name);

  test('makes what is expected', async () => {
    const text = (await build(folder)).map(({ value }) => formatYaml(value)).join('---\n');
    expect(text).toBe(readFileSync(join(folder, 'expected.yaml'), 'utf8'));
  });

  test.skipIf(program === undefined)('makes what kustomize 5 makes (skipped: needs kustomize or kubectl)', async () => {
    const made = (await build(folder)).map(({ value }) => value);
    expect(made).toEqual(objectsOf(program?.(folder) ?? ''));
  });
});

let counter = 0;

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = join(scratch, String(counter++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n    - name: c\n      image: i\n';

const refused: readonly [string, Readonly<Record<string, string>>, string][] = [
  [
    'no kustomization',
    { 'a.yaml': POD },
    'DIR: there is no kustomization.yaml, kustomization.yml or Kustomization in it',
  ],
  [
    'two of them',
    { 'kustomization.yaml': '{}', Kustomization: '{}' },
    'DIR: there is more than one kustomization in it: DIR/kustomization.yaml, DIR/Kustomization',
  ],
  [
    'a misspelt field',
    { 'kustomization.yaml': 'resources: []\nnamePrefx: a-\n' },
    'DIR/kustomization.yaml:2:1: unknown field "namePrefx" (did you mean "namePrefix"?)',
  ],
  [
    'a chart',
    { 'kustomization.yaml': 'helmCharts:\n- name: x\n' },
    'DIR/kustomization.yaml:1:1: "helmCharts" is not supported: charts are not rendered; render them first and list the files as resources',
  ],
  [
    'variables',
    { 'kustomization.yaml': 'namespace: x\nvars: [{name: A}]\n' },
    'DIR/kustomization.yaml:2:1: "vars" is not supported: use "replacements"',
  ],
  [
    'a repository',
    { 'kustomization.yaml': 'resources:\n- github.com/a/b?ref=v1\n' },
    'DIR/kustomization.yaml:2:3: "github.com/a/b?ref=v1" is not fetched: only files (http addresses that end in .yaml) can be elsewhere; clone it and name the folder',
  ],
  [
    'a file that is not there',
    { 'kustomization.yaml': 'resources: [no.yaml]\n' },
    'DIR/kustomization.yaml:1:13: DIR/no.yaml: there is no such file',
  ],
  [
    'a file from elsewhere',
    { 'kustomization.yaml': 'configMapGenerator:\n- name: c\n  files: [/etc/hostname]\n' },
    'DIR/kustomization.yaml:3:11: /etc/hostname is not in or below the folder of the kustomization; files from elsewhere are not read',
  ],
  [
    'itself',
    { 'kustomization.yaml': 'resources: [sub]\n', 'sub/kustomization.yaml': 'resources: [..]\n' },
    'DIR/kustomization.yaml: the kustomization is part of itself',
  ],
  [
    'the same object twice',
    { 'kustomization.yaml': 'resources: [a.yaml, b.yaml]\n', 'a.yaml': POD, 'b.yaml': POD },
    'DIR/b.yaml:3:18: there is a Pod "p" already, in DIR/a.yaml:2',
  ],
  [
    'two objects that a namespace makes one',
    {
      'kustomization.yaml': 'namespace: ns\nresources: [a.yaml, b.yaml]\n',
      'a.yaml': POD.replace('name: p', 'name: p, namespace: a'),
      'b.yaml': POD,
    },
    'DIR/b.yaml:3:18: there is a Pod "p" already, in DIR/a.yaml:2',
  ],
  [
    'a patch for nothing',
    { 'kustomization.yaml': 'patches: [{path: p.yaml}]\n', 'p.yaml': POD },
    'DIR/p.yaml:3:18: there is no Pod "p" to patch',
  ],
  [
    'an operation that does not fit',
    {
      'kustomization.yaml': 'resources: [a.yaml]\npatches:\n- target: {kind: Pod}\n  path: p.json\n',
      'a.yaml': POD,
      'p.json': '[{"op": "remove", "path": "/spec/none"}]',
    },
    'DIR/p.json:1:2: cannot remove /spec/none of Pod "p": there is no such place',
  ],
  [
    'an element without its key',
    {
      'kustomization.yaml': 'resources: [a.yaml]\npatches: [{path: p.yaml}]\n',
      'a.yaml': POD,
      'p.yaml': 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: x}]}\n',
    },
    'DIR/p.yaml:1:1: the patch does not fit Pod "p": an element of "containers" has no "name", which says which one is meant',
  ],
  [
    'a label that is no text',
    { 'kustomization.yaml': 'commonLabels: {a: true}\n' },
    'DIR/kustomization.yaml:1:19: text is expected here; quote it',
  ],
  [
    'a merge into nothing',
    { 'kustomization.yaml': 'configMapGenerator: [{name: c, behavior: merge}]\n' },
    'DIR/kustomization.yaml:1:22: there is no ConfigMap "c" to merge',
  ],
  [
    'replicas of nothing',
    { 'kustomization.yaml': 'replicas: [{name: web, count: 2}]\n' },
    'DIR/kustomization.yaml:1:19: there is no Deployment, ReplicaSet, ReplicationController, StatefulSet "web"',
  ],
];

test.each(refused)('refused at its place: %s', async (_, files, message) => {
  const folder = folderOf(files);
  const err = await build(folder).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(err).toBeInstanceOf(Error);
  expect((err as Error).message.replaceAll(folder, 'DIR').split('\n')[0]).toBe(message);
});

test('a problem of a finished object is told where its text came from: file, patch or generator', async () => {
  const folder = folderOf({
    'kustomization.yaml':
      'namePrefix: x-\nresources: [a.yaml]\npatches: [{path: p.yaml}]\nconfigMapGenerator:\n- name: c\n  literals: [a=b]\n',
    'a.yaml': POD,
    'p.yaml':
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n    - name: new\n      imagee: z\n    - name: c\n      command: [x]\n',
  });
  const [configMap, pod] = await build(folder);
  const place = (manifest: Manifest | undefined, path: string): string =>
    formatProblem(manifest?.problemAt(path, '!') ?? { file: '', message: '' })
      .split('\n')[0]
      ?.replace(`${folder}/`, '') ?? '';
  expect(pod?.value).toMatchObject({
    metadata: { name: 'x-p' },
    spec: { containers: [{ name: 'new' }, { name: 'c' }] },
  });
  expect(place(pod, 'spec.containers[0].imagee')).toBe('p.yaml:7:15: !');
  expect(place(pod, 'spec.containers[1].image')).toBe('a.yaml:7:14: !');
  expect(place(pod, 'spec.containers[1].command')).toBe('p.yaml:9:16: !');
  expect(place(configMap, 'data.a')).toBe('kustomization.yaml:5:3: !');
});

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

/** Which top-level folders a folder may import from, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  proto: ['lib/quantity.ts'],
  lib: ['proto'],
  'control-plane': ['lib', 'proto'],
  'node-agent': ['lib', 'proto'],
  cli: ['lib', 'proto'],
};

/** Adapters: only a program's main file, its own folder, and tests may name them. */
const ADAPTERS = [
  'control-plane/store/etcd/',
  'control-plane/store/memory/',
  'node-agent/runtime/conmon-crun/',
  'node-agent/runtime/memory-runtime.ts',
  'node-agent/images/overlay-image-store.ts',
  'node-agent/images/skopeo-registry.ts',
  'node-agent/images/memory-image-store.ts',
];

const root = join(import.meta.dirname, '..');

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('gen/'))
    .map((name) => join(folder, name));
}

/** Relative imports of a file, as paths from the root. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/(?:from|import\(|import)\s*'(\.[^']+)'/g);
  return [...found].map((match) => normalize(join(dirname(file), match[1] ?? '')));
}

/** Tests, and what only tests use. */
const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.includes('/testing/');

describe('imports', () => {
  test.each(Object.keys(ALLOWED))('%s imports only what it may', (folder) => {
    const wrong: string[] = [];
    for (const file of sources(folder).filter((f) => !isTest(f))) {
      for (const target of importsOf(file)) {
        const allowed =
          target.startsWith(`${folder}/`) || ALLOWED[folder]?.some((a) => target === a || target.startsWith(`${a}/`));
        if (!allowed) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('only main files and tests name an adapter', () => {
    const wrong: string[] = [];
    for (const file of Object.keys(ALLOWED).flatMap(sources)) {
      if (isTest(file) || file.endsWith('/main.ts')) continue;
      for (const target of importsOf(file)) {
        const adapter = ADAPTERS.find((a) => target.startsWith(a));
        if (adapter !== undefined && !file.startsWith(`${dirname(`${adapter}x`)}/`))
          wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('generated code is reached only through its door', () => {
    const wrong = Object.keys(ALLOWED)
      .flatMap(sources)
      .filter((file) => !file.startsWith('proto/') && !isTest(file))
      .filter((file) => importsOf(file).some((target) => target.startsWith('proto/gen/')));
    expect(wrong).toEqual([]);
  });

  test('no product file imports from tests or benches', () => {
    const wrong = Object.keys(ALLOWED)
      .flatMap(sources)
      .filter((file) => !isTest(file))
      .filter((file) => importsOf(file).some((target) => /^(test|bench)\//.test(target)));
    expect(wrong).toEqual([]);
  });
});

test('no file speaks of this machine or of a package registry', () => {
  const wrong: string[] = [];
  const forbidden = [new RegExp(`registry\\.${'npmjs'}\\.org`), new RegExp(`${'/work'}/(main|shared)`)];
  const folders = [...Object.keys(ALLOWED), 'docs', 'bench', 'build', 'manifests', 'test', 'bin'];
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (name.startsWith('gen/') || !/\.(ts|mjs|md|ya?ml|proto|sh|json)$/.test(name)) continue;
      const file = join(root, folder, name);
      const text = readFileSync(file, 'utf8');
      if (forbidden.some((pattern) => pattern.test(text))) wrong.push(relative(root, file));
    }
  }
  expect(wrong).toEqual([]);
});

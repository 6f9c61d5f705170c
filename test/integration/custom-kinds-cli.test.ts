/** Kinds that people add, from the command line: one folder with the kind, its objects and their namespace. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../harness/cli-under-test.ts';

const EXAMPLE = join(import.meta.dirname, '../../manifests/custom-resource-definition.yaml');
const [crd = '', backup = ''] = readFileSync(EXAMPLE, 'utf8').split('\n---\n');
const inShop = backup.replace('metadata:', 'metadata:\n  namespace: shop');

describe('the command line', () => {
  let under: CliUnderTest;
  let folder: string;
  beforeAll(async () => {
    under = await CliUnderTest.start();
    folder = join(under.dir, 'set');
    mkdirSync(folder);
    // In the worst order: the object first, then its kind, then its namespace.
    under.file('set/a-object.yaml', inShop);
    under.file('set/b-kind.yaml', crd.replace('[storage]', '[storage, all]'));
    under.file('set/c-namespace.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n');
  });
  afterAll(() => under?.stop());

  test('applies a folder whatever its order, and again without a change', async () => {
    expect(await under.ok('apply', '-f', folder)).toBe(
      [
        'namespace/shop created',
        'customresourcedefinition.apiextensions.k8s.io/backups.storage.example.com created',
        'backup.storage.example.com/photos created',
        '',
      ].join('\n'),
    );
    expect(await under.ok('apply', '-f', folder)).toMatch(/^(\S+ unchanged\n){3}$/);
    expect(await under.ok('diff', '-f', folder)).toBe('');
  });

  test('shows the columns of the kind, and the kind in `all`', async () => {
    const shown = /^NAME +VOLUME +KEEP +PHASE +AGE\nphotos +photos +14 +\d+s\n$/;
    expect(await under.ok('get', 'bk', '-n', 'shop')).toMatch(shown);
    expect(await under.ok('get', 'all', '-n', 'shop')).toMatch(/photos +photos +14/);
    expect(await under.ok('get', 'backups', '-n', 'shop', '-o', 'wide')).toContain('30 3 * * *');
    expect(await under.ok('api-resources')).toMatch(/backups +bk +storage\.example\.com\/v1 +true +Backup/);
  });

  test('points at the line of an unknown field and of a wrong value', async () => {
    const typo = under.file('typo.yaml', backup.replace('keep: 14', 'keep: 14\n  kepe: 3'));
    expect((await under.run(['apply', '-f', typo])).stderr).toBe(
      'error: DIR/typo.yaml:11:3: unknown field "spec.kepe" (did you mean "keep"?)\n   11 |   kepe: 3\n      |   ^\n',
    );
    const wrong = under.file('wrong.yaml', backup.replace('keep: 14', 'keep: many'));
    expect((await under.run(['apply', '-f', wrong])).stderr).toBe(
      'error: DIR/wrong.yaml:10:9: Invalid value: "string": spec.keep in body must be of type integer: "string"\n' +
        '   10 |   keep: many\n      |         ^\n',
    );
  });

  test('waits for the kind to be served, and describes it', async () => {
    const name = 'backups.storage.example.com';
    expect(await under.ok('wait', '--for=condition=established', `crd/${name}`, '--timeout=5s')).toBe(
      `customresourcedefinition.apiextensions.k8s.io/${name} condition met\n`,
    );
    expect(await under.ok('describe', 'crd', name)).toContain('Accepted Names:');
    expect(await under.ok('describe', 'bk', 'photos', '-n', 'shop')).toContain('Compression:  zstd');
  });

  test('explains the kind', async () => {
    const text = await under.ok('explain', 'backup.spec.compression');
    expect(text).toContain('FIELD: compression <string>');
    expect(text).toContain('zstd');
  });
});

/**
 * The examples in `manifests/`: there is one for every kind, each is valid, a real server takes it, and what it gives back is
 * taken again as what it has already.
 */
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allDefinitions } from '../../control-plane/resources/registry.ts';
import { CliUnderTest } from '../harness/cli-under-test.ts';
import { exampleFiles, exampleName } from '../harness/example-objects.ts';

test('every kind has an example named after it', () => {
  const names = exampleFiles().map((file) => basename(file));
  expect(names).toEqual(expect.arrayContaining(allDefinitions().map(({ type }) => exampleName(type.kind))));
});

describe('a server takes the examples', () => {
  let under: CliUnderTest;
  beforeAll(async () => {
    under = await CliUnderTest.start();
  });
  afterAll(() => under?.stop());

  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

  test.each(exampleFiles().map((file) => [basename(file), file] as const))('%s', async (_name, file) => {
    const first = await under.run(['apply', '-f', file]);
    // A kind without effect says so, once; nothing else is to be warned of in an example.
    for (const line of lines(first.stderr)) expect(line).toMatch(/^Warning: [A-Z]\w+ is stored but /);
    expect(first.code).toBe(0);
    const names = lines(first.stdout).map((line) => /^(\S+) (?:created|configured)$/.exec(line)?.[1] ?? line);
    expect(names).not.toEqual([]);

    const again = await under.run(['apply', '-f', file]);
    expect(again).toEqual({ code: 0, stdout: names.map((name) => `${name} unchanged\n`).join(''), stderr: '' });

    for (const name of names) {
      const exported = under.file('exported.yaml', await under.ok('get', name, '-o', 'yaml'));
      const back = await under.run(['apply', '-f', exported]);
      expect(back).toEqual({ code: 0, stdout: `${name} unchanged\n`, stderr: '' });
      const json = under.file('exported.json', await under.ok('get', name, '-o', 'json'));
      expect(await under.ok('apply', '-f', json)).toBe(`${name} unchanged\n`);
    }
  });
});

/**
 * Real manifests from public repositories, unmodified, each through `skiff apply --dry-run=server`: what Kubernetes accepts is
 * accepted, and what it refuses is refused with the reason and the place. The folder is not part of the product; the suite says
 * so when it is not there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseManifests } from '../../cli/manifest/read-manifests.ts';
import { SourceText } from '../../cli/manifest/source-text.ts';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import { KINDS } from '../../proto/index.ts';
import { CliUnderTest } from '../harness/cli-under-test.ts';
import type { CliResult } from '../harness/run-skiff.ts';
import { waitFor } from '../harness/wait.ts';

const folder = process.env.SKIFF_MANIFEST_CORPUS ?? join(import.meta.dirname, '../../../shared/manifests');
const list = join(folder, 'EXPECT.tsv');
const absent = !existsSync(list);

/** A Secret with "<base64 encoded certificate>" in its data, which Kubernetes cannot decode either. */
const NOT_BASE64 = 'kubernetes-up-and-running+examples/8-4-tls-secret.yaml';

/** A refusal that is right although the file is plain: its own admission would name the missing reference in Kubernetes too. */
const MISSING_REFERENCE =
  /error looking up service account \S+: serviceaccount "\S+" not found|no PriorityClass with name \S+ was found/;

interface Expectation {
  readonly file: string;
  readonly status: string;
  readonly notes: string;
}

function expectations(): Expectation[] {
  if (absent) return [];
  const rows = readFileSync(list, 'utf8').trimEnd().split('\n').slice(1);
  return rows.map((row) => {
    const [file = '', status = '', , notes = ''] = row.split('\t');
    return { file, status, notes };
  });
}

const of = (status: string): [string, Expectation][] =>
  expectations()
    .filter((row) => row.status === status)
    .map((row) => [row.file, row]);

/** Every namespace that some object of the corpus names. */
function namedNamespaces(): string[] {
  const found = new Set<string>();
  for (const { file } of expectations()) {
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/^ {2}namespace: *"?([a-z0-9-]+)"?\s*$/gm)) found.add(name);
  }
  return [...found].sort();
}

describe.skipIf(absent)(`the corpus of real manifests${absent ? ' (skipped: the folder is not here)' : ''}`, () => {
  let under: CliUnderTest;
  beforeAll(async () => {
    under = await CliUnderTest.start(LEADER_TASKS);
    for (const name of namedNamespaces()) {
      if (!(await exists(name))) await under.system.create(KINDS.Namespace, { metadata: { name } });
    }
    await waitFor('service accounts of all namespaces', async () => {
      const accounts = await under.system.list(KINDS.ServiceAccount, { fieldSelector: 'metadata.name=default' });
      const namespaces = await under.system.list(KINDS.Namespace);
      return accounts.items.length === namespaces.items.length ? true : undefined;
    });
  });
  afterAll(() => under?.stop());

  async function exists(name: string): Promise<boolean> {
    const { items } = await under.system.list(KINDS.Namespace, { fieldSelector: `metadata.name=${name}` });
    return items.length > 0;
  }

  const dryRun = (file: string): Promise<CliResult> =>
    under.run(['apply', '--dry-run=server', '-f', join(folder, file)]);

  /** What standard error says besides warnings and the places they show. */
  const errorsOf = ({ stderr }: CliResult): string =>
    stderr
      .split('\n')
      .filter((line) => !/^(?:Warning: | +\d+ \| | +\| )/.test(line))
      .join('\n')
      .trim();

  test.each(of('plain'))('accepts %s', async (file) => {
    const result = await dryRun(file);
    const errors = errorsOf(result);
    if (file === NOT_BASE64) {
      expect(errors).toContain('data[tls.crt]: expected base64 data');
      return;
    }
    if (MISSING_REFERENCE.test(errors)) return;
    expect(errors).toBe('');
    expect(result.code).toBe(0);
    const objects = parseManifests(new SourceText(file, readFileSync(join(folder, file), 'utf8')), () => {});
    const reported = result.stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    expect(reported).toHaveLength(objects.length);
    for (const line of reported) expect(line).toMatch(/^\S+\/\S+ (created|configured|unchanged) \(server dry run\)$/);
  });

  test.each(of('invalid'))('refuses the fields of %s at their place', async (file, { notes }) => {
    const result = await dryRun(file);
    expect(result.code).toBe(1);
    const plain = result.stderr.replaceAll(/\[\d+\]/g, '');
    for (const note of notes.split('; ')) {
      const field = / ([\w.[\]]+) (?:unknown field|want)/.exec(note)?.[1]?.replaceAll('[]', '') ?? note;
      expect(plain).toContain(field);
    }
    expect(result.stderr).toMatch(/\.ya?ml:\d+:\d+/);
  });

  test.each(of('semantic'))('refuses what breaks a rule in %s', async (file) => {
    const result = await dryRun(file);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /ports\[0\]\.protocol: Unsupported value: "tcp": supported values:|metadata\.name: Invalid value: "process-item-\$ITEM": .*RFC 1123/,
    );
  });

  test.each(of('old-api'))('says which version to use instead of the removed one in %s', async (file, { notes }) => {
    const result = await dryRun(file);
    expect(result.code).toBe(1);
    const [, apiVersion, kind] = /(\S+) (\w+)/.exec(notes) ?? [];
    expect(result.stderr).toContain(`no matches for kind "${kind}" in version "${apiVersion}"`);
    expect(result.stderr).toMatch(/Kubernetes 1\.\d+ removed it; use /);
  });

  test.each(of('partial'))('says what is missing in %s', async (file) => {
    const result = await dryRun(file);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('Required value');
  });

  test('nothing of it was stored', async () => {
    // What every cluster has.
    const own = ['kubernetes', 'kube-dns'];
    for (const type of [KINDS.Pod, KINDS.Deployment, KINDS.Service]) {
      const names = (await under.system.list(type)).items.map(({ metadata }) => metadata?.name ?? '');
      expect(names.filter((name) => !own.includes(name))).toEqual([]);
    }
  });
});

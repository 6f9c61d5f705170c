/**
 * Real manifests from public repositories, unmodified: what Kubernetes accepts of the kinds served is accepted, and what it
 * refuses is refused with the reason. The folder is not part of the product; the suite says so when it is not there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeJson } from '../../cli/manifest/json-value.ts';
import { parseManifests } from '../../cli/manifest/read-manifests.ts';
import { SourceText } from '../../cli/manifest/source-text.ts';
import { applyThreeWay } from '../../control-plane/merge/three-way-apply.ts';
import { type AnyDefinition, findDefinition } from '../../control-plane/resources/registry.ts';
import { removedVersion } from '../../control-plane/resources/removed-versions.ts';
import { validateObject } from '../../control-plane/resources/validate-object.ts';
import { fromJson, type JsonObject, type KubeObject, toJson } from '../../proto/index.ts';

const folder = process.env.SKIFF_MANIFEST_CORPUS ?? join(import.meta.dirname, '../../../shared/manifests');
const list = join(folder, 'EXPECT.tsv');
const absent = !existsSync(list);

/** Files that name a key twice: the last counts, as in Kubernetes, and a warning says where. */
const TWICE: readonly string[] = [
  'kubernetes+examples/_archived/openshift-origin/etcd-controller.yaml',
  'kubernetes+examples/_archived/openshift-origin/etcd-discovery-controller.yaml',
  'kubernetes+examples/_archived/openshift-origin/openshift-controller.yaml',
  'kubernetes+examples/_archived/persistent-volume-provisioning/quobyte/quobyte-admin-secret.yaml',
  'kubernetes+examples/_archived/volumes/scaleio/sc-pvc.yaml',
];

/** A Secret with "<base64 encoded certificate>" in its data, which Kubernetes cannot decode either. */
const NOT_BASE64 = 'kubernetes-up-and-running+examples/8-4-tls-secret.yaml';

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

interface Checked {
  readonly apiVersion: string;
  readonly kind: string;
  readonly problems: readonly string[];
}

/** The objects of a file with what is wrong with each; kinds not served are left out. */
function check(file: string, warnings: string[] = []): Checked[] {
  const text = readFileSync(join(folder, file), 'utf8');
  return parseManifests(new SourceText(file, text), ({ message }) => warnings.push(message)).flatMap(
    ({ apiVersion, kind, value }) => {
      const definition = findDefinition(apiVersion, kind);
      if (definition === undefined) return [];
      const json = JSON.parse(encodeJson(value)) as JsonObject;
      const { value: object, issues } = fromJson<KubeObject>(definition.type.messageName, json);
      const unread = issues.map((issue) => `${issue.path}: ${issue.message}`);
      if (unread.some((problem) => problem.includes('base64'))) return [{ apiVersion, kind, problems: unread }];
      if (definition.type.namespaced) object.metadata = { namespace: 'default', ...object.metadata };
      definition.setDefaults?.(object);
      definition.prepareForCreate?.(object, { user: 'test', now: '2026-01-02T03:04:05Z' });
      const refused = validateObject(definition, object).map((cause) => `${cause.field}: ${cause.message}`);
      // What is stored must read back as what was meant.
      const bytes = definition.type.message.encode(object).finish();
      const again = definition.type.message.decode(bytes);
      expect(toJson(definition.type.messageName, again)).toEqual(toJson(definition.type.messageName, object));
      if (unread.length === 0)
        expect(appliedAgain(definition, object, json).equals(bytes), `${file}: applied again`).toBe(true);
      return [{ apiVersion, kind, problems: [...unread, ...refused] }];
    },
  );
}

/** The bytes of `object` after the manifest it came from was applied to it once more. */
function appliedAgain(definition: AnyDefinition, object: KubeObject, manifest: JsonObject): Buffer {
  const { messageName, message } = definition.type;
  const live = toJson(messageName, object);
  const merged = applyThreeWay(messageName, { lastApplied: manifest, live, modified: manifest });
  const { value } = fromJson<KubeObject>(messageName, merged);
  definition.setDefaults?.(value);
  // The status is the server's: a manifest that carries one changes nothing.
  const status = { status: (object as { status?: object }).status };
  return Buffer.from(message.encode('status' in object ? { ...value, ...status } : value).finish());
}

const of = (status: string): Expectation[] => expectations().filter((row) => row.status === status);

describe.skipIf(absent)(`the corpus of real manifests${absent ? ' (skipped: the folder is not here)' : ''}`, () => {
  test('what is plain is accepted', () => {
    let objects = 0;
    const wrong: Record<string, readonly string[]> = {};
    for (const { file } of of('plain')) {
      if (file === NOT_BASE64) continue;
      for (const { kind, problems } of check(file)) {
        objects += 1;
        if (problems.length > 0) wrong[`${file} (${kind})`] = problems;
      }
    }
    expect(wrong).toEqual({});
    expect(objects).toBeGreaterThan(250);
  });

  test.each(TWICE)('a key that is there twice is warned of: %s', (file) => {
    const warnings: string[] = [];
    expect(check(file, warnings).flatMap(({ problems }) => problems)).toEqual([]);
    expect(warnings.join('\n')).toMatch(/the key "\w+" is already there on line \d+/);
  });

  test('what is not base64 is refused, naming the key', () => {
    expect(check(NOT_BASE64)[0]?.problems).toEqual([
      'data[tls.crt]: expected base64 data, got the string "<base64 encoded certificate>"',
      'data[tls.key]: expected base64 data, got the string "<base64 encoded private key>"',
    ]);
  });

  test('what has an unknown field or a wrong type is refused, naming the field', () => {
    const served = of('invalid').filter(({ file }) => check(file).length > 0);
    expect(served.length).toBeGreaterThan(2);
    for (const { file, notes } of served) {
      const problems = check(file).flatMap((object) => object.problems);
      for (const note of notes.split('; ')) {
        const field = / ([\w.[\]]+) (?:unknown field|want)/.exec(note)?.[1]?.replaceAll('[]', '') ?? note;
        expect(problems.map((p) => p.replaceAll(/\[\d+\]/g, '')).join('\n')).toContain(`${field}: `);
      }
    }
  });

  test('what breaks a rule is refused, naming the field and the rule', () => {
    const problems = of('semantic').flatMap(({ file }) => check(file).flatMap((object) => object.problems));
    expect(problems.length).toBeGreaterThan(1);
    for (const problem of problems)
      expect(problem).toContain('ports[0].protocol: Unsupported value: "tcp": supported values:');
  });

  test('what uses a removed version is refused, naming the version to use', () => {
    let removed = 0;
    for (const { file, notes } of of('old-api')) {
      const old = parseManifests(new SourceText(file, readFileSync(join(folder, file), 'utf8')), () => {}).filter(
        ({ apiVersion, kind }) => notes.includes(`${apiVersion} ${kind}`),
      );
      expect(old, file).not.toEqual([]);
      for (const { apiVersion, kind } of old) {
        removed += 1;
        expect(findDefinition(apiVersion, kind)).toBeUndefined();
        const what = removedVersion(apiVersion, kind);
        expect(what?.since).toMatch(/^1\.\d+$/);
        expect(what?.use ?? what?.advice).toMatch(/\/v1$|^use /);
      }
    }
    expect(removed).toBeGreaterThan(20);
  });

  test('a fragment is refused, saying what is missing', () => {
    for (const { file } of of('partial')) {
      const problems = check(file).flatMap((object) => object.problems);
      expect(problems.join('\n')).toContain('Required value');
    }
  });
});

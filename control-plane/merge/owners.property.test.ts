/** What holds of owners whatever several managers do to an object, in any order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromJson, type Json, type JsonObject, toJson } from '../../proto/index.ts';
import { compareFields } from './compare-fields.ts';
import { isEmptySet, pathsOf } from './field-set.ts';
import { fromFieldsV1, printPath, toFieldsV1 } from './fields-v1.ts';
import { isObject, member } from './json-value.ts';
import { stepOf } from './list-steps.ts';
import { mergeConfig } from './merge-config.ts';
import { applyOwned, isSameOwnership, isSameWriter, type Owner, updateOwned, type Writer } from './owners.ts';
import { messageJson } from './schema-arbitrary.ts';
import { messageNode, type SchemaNode } from './schema-node.ts';

const MANAGERS = ['alice', 'bob', 'carol'];

type Step =
  | { readonly type: 'apply'; readonly manager: string; readonly config: JsonObject; readonly force: boolean }
  | { readonly type: 'merge' | 'replace'; readonly manager: string; readonly config: JsonObject };

interface State {
  readonly object: JsonObject;
  readonly owners: readonly Owner[];
}

/** Configurations in canonical form. Few names each, so that managers meet. */
function configs(messageName: string): fc.Arbitrary<JsonObject> {
  return messageJson(messageName, {
    depth: 4,
    skip: ({ name, format }) => name === 'managedFields' || format === 'json',
  }).map((json) => toJson(messageName, fromJson<object>(messageName, json).value));
}

function steps(messageName: string): fc.Arbitrary<Step[]> {
  const manager = fc.constantFrom(...MANAGERS);
  const config = configs(messageName);
  // Managers mostly repeat themselves with variations: all draw from one small pool.
  return fc.array(config, { minLength: 2, maxLength: 4 }).chain((pool) => {
    const drawn = fc.constantFrom(...pool);
    const joined = fc.tuple(drawn, drawn).map(([a, b]) => mergeConfig(messageNode(messageName), a, b));
    const some = fc.oneof(drawn, joined);
    return fc.array(
      fc.oneof(
        fc.record({ type: fc.constant('apply' as const), manager, config: some, force: fc.boolean() }),
        fc.record({ type: fc.constantFrom('merge' as const, 'replace' as const), manager, config: some }),
      ),
      { minLength: 1, maxLength: 8 },
    );
  });
}

const writer = (manager: string, operation: Writer['operation']): Writer => ({
  manager,
  operation,
  apiVersion: 'v1',
  subresource: '',
});

/** Whether the path leads to something in the object. */
function isThere(node: SchemaNode, value: Json | undefined, path: readonly string[]): boolean {
  const [step, ...rest] = path;
  if (value === undefined) return false;
  if (step === undefined) return true;
  if (node.kind === 'object' && isObject(value)) {
    const name = step.slice(2);
    return isThere(node.child(name), member(value, name), rest);
  }
  if ((node.kind === 'set' || node.kind === 'listMap') && Array.isArray(value)) {
    const found = value.find((item) => stepOf(node, item) === step);
    return isThere(node.kind === 'set' ? { kind: 'leaf' } : node.element, found, rest);
  }
  return false;
}

/** Takes one step, checking on the way what it promises by itself. */
function take(node: SchemaNode, state: State, step: Step): State {
  const { object, owners } = state;
  if (step.type !== 'apply') {
    const after = step.type === 'merge' ? mergeConfig(node, object, step.config) : step.config;
    const updater = writer(step.manager, 'Update');
    return { object: after, owners: updateOwned({ node, before: object, after, owners, updater, now: 'later' }) };
  }
  const applier = writer(step.manager, 'Apply');
  const input = { node, live: object, config: step.config, owners, applier, force: step.force };
  const outcome = applyOwned(input);
  if (step.force) expect(outcome.conflicts).toEqual([]);
  if (outcome.conflicts.length > 0) {
    for (const { owner } of outcome.conflicts) expect(isSameWriter(owner, applier)).toBe(false);
    return state;
  }
  const { modified, removed } = compareFields(node, step.config, outcome.object);
  expect([modified, removed].map(toFieldsV1)).toEqual([{}, {}]);
  const again = applyOwned({ ...input, live: outcome.object, owners: outcome.owners, force: false });
  expect(again.conflicts).toEqual([]);
  expect(again.object).toEqual(outcome.object);
  expect(isSameOwnership(again.owners, outcome.owners)).toBe(true);
  return outcome;
}

function check(node: SchemaNode, { object, owners }: State): void {
  for (const [i, owner] of owners.entries()) {
    expect(isEmptySet(owner.fields)).toBe(false);
    expect(owners.findIndex((other) => isSameWriter(other, owner))).toBe(i);
    const lost = pathsOf(owner.fields).filter((path) => !isThere(node, object, path));
    expect(lost.map(printPath)).toEqual([]);
    const fields = toFieldsV1(owner.fields);
    expect(toFieldsV1(fromFieldsV1(fields) ?? expect.fail('unreadable'))).toEqual(fields);
  }
}

describe('whatever managers do', () => {
  it.each(['skiff.apps.v1.Deployment', 'skiff.core.v1.Pod', 'skiff.core.v1.Service', 'skiff.core.v1.ConfigMap'])(
    'to a %s, owners own what is there, appliers have what they said, and repeating changes nothing',
    (messageName) => {
      const node = messageNode(messageName);
      fc.assert(
        fc.property(steps(messageName), (sequence) => {
          let state: State = { object: {}, owners: [] };
          for (const step of sequence) {
            state = take(node, state, step);
            check(node, state);
          }
        }),
        { numRuns: 150 },
      );
    },
  );

  it('an applier who drops everything leaves nothing of its own behind', () => {
    const messageName = 'skiff.apps.v1.Deployment';
    const node = messageNode(messageName);
    fc.assert(
      fc.property(configs(messageName), configs(messageName), (mine, yours) => {
        const alice = writer('alice', 'Apply');
        const bob = writer('bob', 'Apply');
        const base = { node, live: {}, owners: [], force: true };
        const before = applyOwned({ ...base, config: yours, applier: bob });
        const both = applyOwned({ ...base, live: before.object, owners: before.owners, config: mine, applier: alice });
        const back = applyOwned({ ...base, live: both.object, owners: both.owners, config: {}, applier: alice });
        expect(back.owners.map(({ manager }) => manager)).not.toContain('alice');
        check(node, back);
        if (back.owners.length === 0)
          expect(Object.values(back.object).filter((value) => !isObject(value))).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../manifest/json-value.ts';
import { parseCondition } from './condition.ts';

const pod = (parts: JsonObject): JsonObject => ({ metadata: { generation: 2 }, ...parts });
const ready = (status: string, more: JsonObject = {}): JsonObject =>
  pod({ status: { conditions: [{ type: 'Ready', status, ...more }], phase: 'Running', count: 3 } });

function isMet(text: string, object: JsonObject): boolean {
  const condition = parseCondition(text);
  if (condition.type !== 'state') throw new Error('no condition of a state');
  return condition.isMet(object);
}

describe('whether an object is as --for says', () => {
  const rows: readonly [string, string, JsonObject, boolean][] = [
    ['a condition that holds', 'condition=Ready', ready('True'), true],
    ['whatever the case of its letters', 'condition=ready=TRUE', ready('True'), true],
    ['one that does not', 'condition=Ready', ready('False'), false],
    ['one that is to be false', 'condition=Ready=False', ready('False'), true],
    ['one that is not there', 'condition=Ready=False', pod({}), false],
    ['one told of an earlier state', 'condition=Ready', ready('True', { observedGeneration: 1 }), false],
    ['one told of this state', 'condition=Ready', ready('True', { observedGeneration: 2 }), true],
    [
      'a status that lags behind',
      'condition=Ready',
      { ...ready('True'), status: { observedGeneration: 1, conditions: [{ type: 'Ready', status: 'True' }] } },
      false,
    ],
    ['a field with a value', 'jsonpath={.status.phase}=Running', ready('True'), true],
    ['without braces', 'jsonpath=.status.phase=Running', ready('True'), true],
    ['with quotes around the value', `jsonpath={.status.phase}='Running'`, ready('True'), true],
    ['another value', 'jsonpath={.status.phase}=Pending', ready('True'), false],
    ['a number', 'jsonpath={.status.count}=3', ready('True'), true],
    ['any value', 'jsonpath={.status.phase}', ready('True'), true],
    ['no value', 'jsonpath={.status.nothing}', ready('True'), false],
    ['a filter with = in it', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', ready('True'), true],
    ['a filter without braces', 'jsonpath=.status.conditions[?(@.type=="Ready")].status=False', ready('True'), false],
    ['any value of a list', 'jsonpath={.status.conditions}', ready('True'), true],
  ];
  test.each(rows)('%s', (_, text, object, expected) => {
    expect(isMet(text, object)).toBe(expected);
  });

  test('what can never tell is an error', () => {
    expect(() => isMet('jsonpath={.status.conditions}=x', ready('True'))).toThrow(
      'jsonpath leads to a nested object or list which is not supported',
    );
    const two = pod({ status: { conditions: [{ type: 'a' }, { type: 'b' }] } });
    expect(() => isMet('jsonpath={.status.conditions[*].type}=a', two)).toThrow(
      'given jsonpath expression matches more than one value',
    );
  });
});

describe('--for that says nothing', () => {
  const rows: readonly [string, string][] = [
    ['', 'unrecognized condition: ""'],
    ['ready', 'unrecognized condition: "ready"'],
    ['condition=', 'unrecognized condition: --for=condition= is to be followed by a name'],
    ['jsonpath=', 'jsonpath expression cannot be empty'],
    ['jsonpath={.a}=', 'jsonpath wait has to have a value after equal sign'],
    ['jsonpath={.a', 'unexpected "{"'],
  ];
  test.each(rows)('%j', (text, message) => {
    expect(() => parseCondition(text)).toThrow(message);
  });

  test('whatever is typed is read or refused, never a defect', () => {
    const piece = fc.constantFrom(
      'condition=',
      'jsonpath=',
      '{',
      '}',
      '=',
      '==',
      '.status',
      '[',
      ']',
      '?(@.a',
      '"',
      "'",
      '*',
      '..',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(piece, fc.string({ maxLength: 4 }))).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (typed) => {
        try {
          const condition = parseCondition(typed);
          if (condition.type === 'state') condition.isMet(ready('True'));
        } catch (err) {
          expect(['CliError', 'JsonPathError']).toContain((err as Error).name);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('delete and create in any case', () => {
    expect(parseCondition('Delete')).toEqual({ type: 'delete' });
    expect(parseCondition('create')).toEqual({ type: 'create' });
  });
});

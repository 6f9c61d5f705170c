import { describe, expect, it } from 'vitest';
import type { Json } from '../../proto/index.ts';
import { problemsOf, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const event: Json = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'e', namespace: 'shop' },
  involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web' },
};
const newer: Json = {
  ...(event as object),
  eventTime: '2026-01-02T03:04:05.000000Z',
  reportingComponent: 'example.com/c',
  reportingInstance: 'c-1',
  action: 'Fall',
  reason: 'Fell',
} as Json;

describe('an event', () => {
  it('is valid in either form', () => {
    expect(problemsOf(event)).toEqual([]);
    expect(problemsOf(newer)).toEqual([]);
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['involvedObject.namespace', 'other', 'involvedObject.namespace: Invalid value: "other": does not match event.…'],
    ['reportingComponent', undefined, 'reportingComponent: Required value'],
    ['reportingComponent', 'a b', 'reportingComponent: Invalid value: "a b": name part must consist of…'],
    ['reportingInstance', undefined, 'reportingInstance: Required value'],
    ['action', undefined, 'action: Required value'],
    ['reason', 'a'.repeat(129), `reason: Invalid value: "${'a'.repeat(129)}": can have at most 128 characters`],
    ['message', 'a'.repeat(1025), `message: Invalid value: "${'a'.repeat(199)}…`],
  ])('of the newer form is refused with another %s', (path, value, problem) => {
    expectProblem(problemsOf(withValue(newer, path, value)), problem);
  });
});

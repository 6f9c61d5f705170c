import { describe, expect, test } from 'vitest';
import { ApiError } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import type { ApiClient } from '../api/api-client.ts';
import { CliError, SeveralErrors } from '../errors/cli-error.ts';
import { encodeJson, type JsonObject } from '../manifest/json-value.ts';
import type { Session } from '../session.ts';
import type { WaitCondition } from './condition.ts';
import { groupsOf, type WaitGroup, waitForGroup } from './wait-for-objects.ts';

const { ADDED, MODIFIED, DELETED } = apiv1.EventType;
const identity = { plural: 'pods', singular: 'pod', kind: 'Pod', namespaced: true };

const pod = (name: string, uid: string, phase = 'Pending'): JsonObject => ({
  metadata: { name, namespace: 'default', uid },
  status: { phase },
});
const event = (type: apiv1.EventType, object: JsonObject): apiv1.WatchEvent => ({
  type,
  json: Buffer.from(encodeJson(object)),
});

/** One turn: what is listed, what the watch after it tells, and how that watch ends. Without an end it lasts. */
interface Turn {
  readonly items: readonly JsonObject[];
  readonly events?: readonly apiv1.WatchEvent[];
  readonly fails?: Error;
}

function playedSession(turns: readonly Turn[]): Session {
  const rest = [...turns];
  let now: Turn = { items: [] };
  const api = {
    list: async () => {
      now = rest.shift() ?? now;
      return { items: now.items, resourceVersion: '1', identity };
    },
    async *watch(_target: unknown, _options: unknown, signal: AbortSignal) {
      yield* now.events ?? [];
      if (now.fails !== undefined) throw now.fails;
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        if (signal.aborted) reject(signal.reason as Error);
      });
    },
  };
  return { api: api as unknown as ApiClient } as unknown as Session;
}

const running: WaitCondition = {
  type: 'state',
  isMet: (object) => (object.status as JsonObject | undefined)?.phase === 'Running',
};
const named = (...names: string[]): WaitGroup => ({
  collection: { resource: 'pods', namespace: 'default' },
  selection: {},
  names,
});
const all: WaitGroup = { collection: { resource: 'pods', namespace: 'default' }, selection: {}, names: undefined };

async function wait(group: WaitGroup, condition: WaitCondition, turns: readonly Turn[]): Promise<string[]> {
  const met: string[] = [];
  const stop = new AbortController();
  // Time is over when nothing more happens; a broken watch is tried again after half a second.
  setTimeout(() => stop.abort(new CliError('the time is over')), turns.length > 1 ? 5000 : 50).unref();
  const settings = {
    condition,
    signal: stop.signal,
    once: false,
    onMet: (_: unknown, name: string) => void met.push(name),
  };
  try {
    const count = await waitForGroup(playedSession(turns), group, settings);
    return [...met, `count ${count}`];
  } catch (err) {
    const errors = err instanceof SeveralErrors ? err.errors : [err];
    return [...met, ...errors.map((one) => (one instanceof Error ? one.message : String(one)))];
  }
}

const late = 'timed out waiting for the condition on pods/';
const rows: readonly [string, WaitGroup, WaitCondition, readonly Turn[], readonly string[]][] = [
  ['so at once', named('a'), running, [{ items: [pod('a', '1', 'Running')] }], ['a', 'count 1']],
  [
    'becomes so',
    named('a', 'b'),
    running,
    [{ items: [pod('a', '1'), pod('b', '2', 'Running')], events: [event(MODIFIED, pod('a', '1', 'Running'))] }],
    ['b', 'a', 'count 2'],
  ],
  ['never so', named('a', 'b'), running, [{ items: [pod('a', '1'), pod('b', '1')] }], [`${late}a`, `${late}b`]],
  ['not there', named('a'), running, [{ items: [] }], ['pods "a" not found']],
  [
    'goes and comes again',
    named('a'),
    running,
    [{ items: [pod('a', '1')], events: [event(DELETED, pod('a', '1')), event(ADDED, pod('a', '2', 'Running'))] }],
    ['a', 'count 1'],
  ],
  [
    'others are not waited for',
    named('a'),
    running,
    [{ items: [pod('a', '1')], events: [event(MODIFIED, pod('z', '9', 'Running'))] }],
    [`${late}a`],
  ],
  [
    'so while the watch was broken',
    named('a'),
    running,
    [{ items: [pod('a', '1')], fails: new ApiError('Expired', 'too old') }, { items: [pod('a', '1', 'Running')] }],
    ['a', 'count 1'],
  ],
  [
    'gone',
    named('a', 'b'),
    { type: 'delete' },
    [{ items: [pod('a', '1')], events: [event(DELETED, pod('a', '1'))] }],
    ['a', 'count 1'],
  ],
  [
    'gone while the watch was broken, and another of its name there',
    named('a'),
    { type: 'delete' },
    [{ items: [pod('a', '1')], fails: new ApiError('Expired', 'too old') }, { items: [pod('a', '2')] }],
    ['a', 'count 1'],
  ],
  ['there still', named('a'), { type: 'delete' }, [{ items: [pod('a', '1')] }], [`${late}a`]],
  ['nothing to go', all, { type: 'delete' }, [{ items: [] }], ['count 0']],
  [
    'all that were there at first',
    all,
    running,
    [{ items: [pod('a', '1')], events: [event(ADDED, pod('b', '2')), event(MODIFIED, pod('a', '1', 'Running'))] }],
    ['a', 'count 1'],
  ],
  [
    'created',
    named('a', 'b'),
    { type: 'create' },
    [{ items: [pod('b', '1')], events: [event(ADDED, pod('a', '1'))] }],
    ['b', 'a', 'count 2'],
  ],
  ['any created', all, { type: 'create' }, [{ items: [], events: [event(ADDED, pod('x', '1'))] }], ['x', 'count 1']],
  ['none created', all, { type: 'create' }, [{ items: [] }], ['timed out waiting for the condition on pods']],
];

describe('waiting for', () => {
  test.each(rows)('%s', async (_, group, condition, turns, expected) => {
    expect(await wait(group, condition, turns)).toEqual(expected);
  });

  test('an interruption is no lack of time', async () => {
    const stop = new AbortController();
    const stopped = waitForGroup(playedSession([{ items: [pod('a', '1')] }]), named('a'), {
      condition: running,
      signal: stop.signal,
      once: false,
      onMet: () => {},
    });
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  });
});

test('objects of one collection share a watch', () => {
  const one = (resource: string, name: string, namespace = 'default'): Parameters<typeof groupsOf>[0][number] => ({
    target: { resource, namespace, name },
    single: true,
    selection: {},
  });
  expect(groupsOf([one('pods', 'a'), one('deploy', 'x'), one('pods', 'b'), one('pods', 'c', 'other')])).toEqual([
    { collection: { resource: 'pods', namespace: 'default' }, selection: {}, names: ['a', 'b'] },
    {
      collection: { resource: 'deploy', namespace: 'default' },
      selection: { fieldSelector: 'metadata.name=x' },
      names: ['x'],
    },
    {
      collection: { resource: 'pods', namespace: 'other' },
      selection: { fieldSelector: 'metadata.name=c' },
      names: ['c'],
    },
  ]);
});

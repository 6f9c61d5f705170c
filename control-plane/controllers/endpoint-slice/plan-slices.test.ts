import { describe, expect, test } from 'vitest';
import type { discoveryv1 } from '../../../proto/index.ts';
import { type EndpointGroup, planSlices, type SlicePlan } from './plan-slices.ts';

const OWNER = { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'u1', controller: true };
const METADATA = { generateName: 'web-', labels: { a: '1' }, ownerReferences: [OWNER] };
const HTTP = [{ name: 'http', port: 80, protocol: 'TCP' }];

const endpoint = (id: string, ready = true): discoveryv1.Endpoint => ({
  addresses: [`10.0.0.${id.length}`],
  conditions: { ready },
  targetRef: { kind: 'Pod', uid: id },
});
const group = (ids: string, ports = HTTP): EndpointGroup => ({
  addressType: 'IPv4',
  ports,
  endpoints: ids.split('').map((id) => endpoint(id)),
});
const slice = (name: string, ids: string, ports = HTTP, uid = 'u1'): discoveryv1.EndpointSlice => ({
  metadata: { name, labels: { a: '1' }, ownerReferences: [{ ...OWNER, uid }] },
  addressType: 'IPv4',
  ports,
  endpoints: ids.split('').map((id) => endpoint(id)),
});
const ids = ({ endpoints = [] }: discoveryv1.EndpointSlice): string =>
  endpoints.map(({ targetRef }) => targetRef?.uid ?? '').join('');
const text = (plan: SlicePlan): string =>
  [
    ...plan.create.map((one) => `+${ids(one)}`),
    ...plan.update.map((one) => `${one.metadata?.name}=${ids(one)}`),
    ...plan.remove.map((one) => `-${one.metadata?.name}`),
  ].join(' ');

const OTHER = [{ name: 'http', port: 81, protocol: 'TCP' }];

describe('the slices of a service', () => {
  test.each<[string, EndpointGroup[], discoveryv1.EndpointSlice[], string]>([
    ['a new service gets full slices and one for the rest', [group('abcdefgh')], [], '+abc +def +gh'],
    ['nothing changed, nothing written', [group('abc')], [slice('s', 'abc')], ''],
    ['the order of endpoints is no change', [group('cba')], [slice('s', 'abc')], ''],
    ['one gone is one slice written', [group('abe')], [slice('s', 'ab'), slice('t', 'ef')], 't=e'],
    ['one more goes where it fits closest', [group('abcx')], [slice('s', 'a'), slice('t', 'bc')], 't=bcx'],
    ['what is written anyway is filled first', [group('bcx')], [slice('s', 'ba'), slice('t', 'c')], 's=bx'],
    ['no room for all of the rest: a new slice', [group('abcdxy')], [slice('s', 'ab'), slice('t', 'cd')], '+xy'],
    ['an empty slice goes when another is left', [group('a')], [slice('s', 'a'), slice('t', 'b')], '-t'],
    ['a service without pods has one slice', [], [], '+'],
    ['the last pod leaves its slice behind, empty', [], [slice('s', 'a')], 's='],
    ['and that is filled again', [group('a')], [slice('s', '', [])], 's=a'],
    ['and otherwise left alone', [], [slice('s', '', [])], ''],
    ['other ports, other slice', [group('a'), group('b', OTHER)], [slice('s', 'ab')], '+b s=a'],
    ['of a service of the same name before', [group('a')], [slice('s', 'a', HTTP, 'u0')], '+a -s'],
    ['twice the same endpoint is one too many', [group('a')], [slice('s', 'a'), slice('t', 'a')], '-t'],
    ['more than fit, as after the limit was lowered', [group('abcde')], [slice('s', 'abcde')], '+de s=abc'],
  ])('%s', (_, groups, existing, expected) => {
    expect(text(planSlices({ groups, existing, metadata: METADATA, maxEndpoints: 3, keepOne: true }))).toBe(expected);
  });

  test('a changed condition, and changed labels, are written', () => {
    const before = slice('s', 'ab');
    const unready = { ...group(''), endpoints: [endpoint('a', false), endpoint('b')] };
    const plan = planSlices({ groups: [unready], existing: [before], metadata: METADATA, keepOne: true });
    expect(plan.update.map(({ endpoints }) => endpoints?.[0]?.conditions)).toEqual([{ ready: false }]);
    const relabelled = { ...METADATA, labels: { a: '2' } };
    const next = planSlices({ groups: [group('ab')], existing: [before], metadata: relabelled, keepOne: true });
    expect(next.update.map(({ metadata }) => [metadata?.name, metadata?.labels])).toEqual([['s', { a: '2' }]]);
  });

  test('nothing is kept of a service that is only a name', () => {
    expect(text(planSlices({ groups: [], existing: [slice('s', 'a')], metadata: METADATA, keepOne: false }))).toBe(
      '-s',
    );
  });
});

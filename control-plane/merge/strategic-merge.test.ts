import { describe, expect, it } from 'vitest';
import { ApiError } from '../../lib/errors.ts';
import type { Json } from '../../proto/index.ts';
import { strategicMergePatch } from './strategic-merge.ts';

const POD = 'skiff.core.v1.Pod';
const spec = (value: Json): Json => ({ spec: value });
const abc = spec({ containers: [{ name: 'a', image: 'x' }, { name: 'b' }, { name: 'c' }] });

describe('a strategic merge patch', () => {
  it.each<[title: string, live: Json, patch: Json, result: Json]>([
    ['sets a field', spec({ hostname: 'a' }), spec({ hostname: 'b' }), spec({ hostname: 'b' })],
    ['removes by null', spec({ hostname: 'a', subdomain: 's' }), spec({ hostname: null }), spec({ subdomain: 's' })],
    [
      'merges a list by key and appends what is new',
      spec({ containers: [{ name: 'a', image: 'x', tty: true }] }),
      spec({ containers: [{ name: 'b' }, { name: 'a', image: 'y' }] }),
      spec({ containers: [{ name: 'a', image: 'y', tty: true }, { name: 'b' }] }),
    ],
    [
      'deletes an element',
      abc,
      spec({ containers: [{ name: 'b', $patch: 'delete' }] }),
      spec({ containers: [{ name: 'a', image: 'x' }, { name: 'c' }] }),
    ],
    [
      'replaces an element',
      abc,
      spec({ containers: [{ name: 'a', tty: true, $patch: 'replace' }] }),
      spec({ containers: [{ name: 'a', tty: true }, { name: 'b' }, { name: 'c' }] }),
    ],
    [
      'replaces a list',
      abc,
      spec({ containers: [{ $patch: 'replace' }, { name: 'z' }] }),
      spec({ containers: [{ name: 'z' }] }),
    ],
    [
      'replaces an object',
      spec({ hostname: 'a', subdomain: 'b' }),
      spec({ $patch: 'replace', hostname: 'c' }),
      spec({ hostname: 'c' }),
    ],
    ['empties an object', spec({ hostname: 'a' }), spec({ $patch: 'delete' }), spec({})],
    [
      'merges when told so',
      spec({ hostname: 'a' }),
      spec({ $patch: 'merge', subdomain: 'b' }),
      spec({ hostname: 'a', subdomain: 'b' }),
    ],
    [
      'orders elements',
      abc,
      spec({ '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }], containers: [{ name: 'a', image: 'y' }] }),
      spec({ containers: [{ name: 'b' }, { name: 'c' }, { name: 'a', image: 'y' }] }),
    ],
    [
      'orders without other change',
      abc,
      spec({ '$setElementOrder/containers': [{ name: 'c' }, { name: 'b' }, { name: 'a' }] }),
      spec({ containers: [{ name: 'c' }, { name: 'b' }, { name: 'a', image: 'x' }] }),
    ],
    [
      'adds to a set',
      { metadata: { finalizers: ['x.io/a'] } },
      { metadata: { finalizers: ['x.io/b', 'x.io/a'] } },
      { metadata: { finalizers: ['x.io/a', 'x.io/b'] } },
    ],
    [
      'takes from a set and orders it',
      { metadata: { finalizers: ['x.io/a', 'x.io/b', 'x.io/c'] } },
      {
        metadata: {
          '$deleteFromPrimitiveList/finalizers': ['x.io/b'],
          '$setElementOrder/finalizers': ['x.io/d', 'x.io/c', 'x.io/a'],
          finalizers: ['x.io/d'],
        },
      },
      { metadata: { finalizers: ['x.io/d', 'x.io/c', 'x.io/a'] } },
    ],
    [
      'keeps only the keys named',
      spec({ volumes: [{ name: 'v', emptyDir: {} }] }),
      spec({ volumes: [{ name: 'v', hostPath: { path: '/x' }, $retainKeys: ['name', 'hostPath'] }] }),
      spec({ volumes: [{ name: 'v', hostPath: { path: '/x' } }] }),
    ],
    [
      'merges a map of labels',
      { metadata: { labels: { a: '1', b: '2' } } },
      { metadata: { labels: { a: null, c: '3' } } },
      { metadata: { labels: { b: '2', c: '3' } } },
    ],
    [
      'replaces an atomic list',
      spec({ tolerations: [{ key: 'a' }] }),
      spec({ tolerations: [{ key: 'b' }] }),
      spec({ tolerations: [{ key: 'b' }] }),
    ],
    [
      'creates what is not there, without its nulls',
      {},
      spec({ securityContext: { runAsUser: 1, runAsGroup: null } }),
      spec({ securityContext: { runAsUser: 1 } }),
    ],
    [
      'leaves what the schema does not know for decoding to refuse',
      {},
      spec({ hostnme: { a: 1 } }),
      spec({ hostnme: { a: 1 } }),
    ],
  ])('%s', (_title, live, patch, result) => {
    const before = structuredClone(live);
    expect(strategicMergePatch(POD, live, patch)).toEqual(result);
    expect(live).toEqual(before);
  });

  it.each<[patch: Json, problem: string]>([
    [[], 'it must be an object'],
    [
      spec({ containers: [{ image: 'x' }] }),
      'spec.containers[0] of the strategic merge patch: it does not contain the merge key "name"',
    ],
    [spec({ containers: ['a'] }), 'spec.containers[0] of the strategic merge patch: expected an object'],
    [spec({ $patch: 'remove' }), '$patch must be merge, replace or delete, not "remove"'],
    [
      spec({ '$setElementOrder/containers': 'a' }),
      'spec.containers of the strategic merge patch: its list directives must be lists',
    ],
    [spec({ $retainKeys: ['hostname'], subdomain: 'a' }), '$retainKeys does not name subdomain'],
  ])('refuses %j', (patch, problem) => {
    expect(() => strategicMergePatch(POD, {}, patch)).toThrow(ApiError);
    expect(() => strategicMergePatch(POD, {}, patch)).toThrow(problem);
  });
});

import { expect, test } from 'vitest';
import type { JsonObject } from '../manifest/json-value.ts';
import { changedByOthers } from './changed-by-others.ts';

function deployment(replicas: number, image: string, more: JsonObject = {}): JsonObject {
  const containers = [
    { name: 'side', image: 's' },
    { name: 'web', image, ...more },
  ];
  return { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas, template: { spec: { containers } } } };
}

function live(now: JsonObject, last: JsonObject): JsonObject {
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(last) };
  return { ...now, metadata: { annotations } };
}

const applied = deployment(1, 'x:1');

const rows: readonly [string, JsonObject, JsonObject, readonly string[]][] = [
  ['nothing changed, whatever the file says now', applied, deployment(2, 'x:2'), []],
  ['changed, and the file wants it back', deployment(5, 'x:1'), deployment(1, 'x:1'), ['["spec"]["replicas"]']],
  ['changed to what the file says now', deployment(5, 'x:9'), deployment(5, 'x:9'), []],
  [
    'in an element of a list, wherever it stands',
    deployment(1, 'x:9'),
    { ...applied, spec: { template: { spec: { containers: [{ name: 'web', image: 'x:1' }] } } } },
    ['["spec"]["template"]["spec"]["containers"][0]["image"]'],
  ],
  ['what the file does not name', deployment(1, 'x:1', { args: ['a'] }), applied, []],
  [
    'set by the server and now by the file',
    deployment(1, 'x:1', { workingDir: '/a' }),
    deployment(1, 'x:1', { workingDir: '/b' }),
    ['["spec"]["template"]["spec"]["containers"][1]["workingDir"]'],
  ],
];
test.each(rows)('%s', (_, now, modified, paths) => {
  expect(changedByOthers(live(now, applied), modified).map(({ path }) => path)).toEqual(paths);
});

test('an object that was never applied has nothing to lose', () => {
  expect(changedByOthers(deployment(5, 'x:1'), applied)).toEqual([]);
});

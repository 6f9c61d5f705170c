import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fromJson, type JsonObject, KINDS, toJson } from './index.ts';

const deployment: JsonObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { b: '2', a: '1' } },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: 'web' } },
    strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          {
            name: 'c',
            image: 'nginx',
            resources: { limits: { cpu: 0.5, memory: '1024Mi' } },
            ports: [{ containerPort: 80 }],
          },
        ],
      },
    },
  },
};

describe('the JSON codec', () => {
  test('keeps pointer zeros, sorts map keys and puts quantities in canonical form', () => {
    const { value, issues } = fromJson<{ spec: { replicas: number } }>(KINDS.Deployment.messageName, deployment);
    expect(issues).toEqual([]);
    expect(value.spec.replicas).toBe(0);
    const json = toJson(KINDS.Deployment.messageName, value) as { metadata: { labels: object }; spec: JsonObject };
    expect(Object.keys(json.metadata.labels)).toEqual(['a', 'b']);
    expect(json.spec).toMatchObject({
      replicas: 0,
      strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
      template: { spec: { containers: [{ resources: { limits: { cpu: '500m', memory: '1Gi' } } }] } },
    });
  });

  test('survives protobuf: encode, decode and print give the same JSON', () => {
    const { value } = fromJson<object>(KINDS.Deployment.messageName, deployment);
    const bytes = KINDS.Deployment.message.encode(value).finish();
    expect(toJson(KINDS.Deployment.messageName, KINDS.Deployment.message.decode(bytes))).toEqual(
      toJson(KINDS.Deployment.messageName, value),
    );
  });

  const bad: readonly [string, JsonObject, string, RegExp][] = [
    ['unknown field', { spec: { container: [] } }, 'spec.container', /unknown field "spec.container"/],
    ['string for an integer', { spec: { priority: '3' } }, 'spec.priority', /expected an integer, got the string "3"/],
    ['object for a list', { spec: { containers: {} } }, 'spec.containers', /expected a list, got an object/],
    ['bad quantity', { spec: { overhead: { cpu: '1x' } } }, 'spec.overhead.cpu', /expected a quantity/],
    ['integer out of range', { spec: { priority: 2 ** 31 } }, 'spec.priority', /between/],
    [
      'hostile map key',
      JSON.parse('{"metadata":{"labels":{"__proto__":"x"}}}') as JsonObject,
      'metadata.labels.__proto__',
      /not allowed/,
    ],
  ];
  test.each(bad)('refuses %s with its path', (_, json, path, message) => {
    const { issues } = fromJson(KINDS.Pod.messageName, json);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ path, message: expect.stringMatching(message) });
  });

  test('suggests the nearest name', () => {
    expect(fromJson(KINDS.Pod.messageName, { spec: { contaners: [] } }).issues[0]?.suggestion).toBe('containers');
  });

  test('reads null as unset, and drops empty lists and maps', () => {
    const { value } = fromJson(KINDS.Pod.messageName, {
      metadata: { labels: {}, annotations: null },
      spec: { containers: [] },
    });
    expect(value).toEqual({ metadata: {}, spec: {}, status: {} });
  });

  test('reads back what it prints: parts that are printed even when empty stay unset', () => {
    const name = KINDS.Pod.messageName;
    const { value } = fromJson<object>(name, { metadata: {}, spec: { containers: [{ name: 'a' }] }, status: {} });
    const printed = toJson(name, value);
    expect(printed).toMatchObject({ spec: { containers: [{ name: 'a', resources: {} }] } });
    expect(fromJson<object>(name, printed).value).toEqual(value);
    const divisor = { containerName: 'a', divisor: '0', resource: 'limits.cpu' };
    expect(fromJson('skiff.core.v1.ResourceFieldSelector', divisor).value).not.toHaveProperty('divisor');
  });

  test('knows no message that its own table does not describe', () => {
    const table = JSON.parse(readFileSync('proto/gen/schema-table.json', 'utf8')) as Record<
      string,
      { f: { t: string }[] }
    >;
    for (const [name, row] of Object.entries(table)) {
      for (const field of row.f)
        if (field.t.includes('.')) expect(table[field.t], `${name} → ${field.t}`).toBeDefined();
    }
  });
});

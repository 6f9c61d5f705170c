import { expect, test } from 'vitest';
import { FakeClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { parseManifests } from '../manifest/read-manifests.ts';
import { SourceText } from '../manifest/source-text.ts';
import { inApplyOrder } from './apply-order.ts';
import { applySet } from './apply-set.ts';
import { fieldPath } from './conflict-error.ts';
import { ObjectSet } from './object-set.ts';

function manifests(...lines: readonly string[]): Manifest[] {
  const text = lines.map((line) => {
    const [apiVersion = '', kind = '', name = '', namespace] = line.split(' ');
    const spec = kind === 'CustomResourceDefinition' ? { group: 'example.com', names: { kind: 'Widget' } } : undefined;
    return JSON.stringify({ apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) }, spec });
  });
  return parseManifests(new SourceText('set.yaml', text.join('\n---\n')), () => {});
}

const names = (all: readonly Manifest[]): string[] => all.map(({ kind, name }) => `${kind}/${name}`);

test('what others need comes first, whatever the order of the files', () => {
  const shuffled = manifests(
    'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration hook',
    'apps/v1 Deployment web',
    'example.com/v1 Widget w',
    'rbac.authorization.k8s.io/v1 RoleBinding rb',
    'rbac.authorization.k8s.io/v1 Role r',
    'v1 ConfigMap c',
    'v1 Service s',
    'v1 ServiceAccount sa',
    'apiextensions.k8s.io/v1 CustomResourceDefinition crd',
    'v1 Namespace n',
  );
  expect(names(inApplyOrder(shuffled))).toEqual([
    'Namespace/n',
    'CustomResourceDefinition/crd',
    'ServiceAccount/sa',
    'ConfigMap/c',
    'Role/r',
    'RoleBinding/rb',
    'Deployment/web',
    'Widget/w',
    'Service/s',
    'ValidatingWebhookConfiguration/hook',
  ]);
});

const notFound = (name: string): ApiError => new ApiError('NotFound', `namespaces "${name}" not found`);
const noKind = new ApiError('BadRequest', 'no matches for kind "Widget" in version "example.com/v1"');
const noAccount = new ApiError(
  'Forbidden',
  'error looking up service account n/default: serviceaccount "default" not found',
);

test('a refusal is worth another try only when the set itself will mend it', () => {
  const set = manifests('v1 Namespace n', 'apiextensions.k8s.io/v1 CustomResourceDefinition crd');
  const objects = new ObjectSet(set, 'default');
  const [inN, elsewhere, widget, gadget] = manifests(
    'v1 Pod p n',
    'v1 Pod p m',
    'example.com/v1 Widget w',
    'example.com/v1 Gadget g',
  ) as [Manifest, Manifest, Manifest, Manifest];
  expect(objects.isNotYet(inN, 'default', notFound('n'))).toBe(true);
  expect(objects.isNotYet(inN, 'default', noAccount)).toBe(true);
  expect(objects.isNotYet(elsewhere, 'default', notFound('m'))).toBe(false);
  expect(objects.isNotYet(elsewhere, 'default', noAccount)).toBe(false);
  expect(objects.isNotYet(widget, 'default', noKind)).toBe(true);
  expect(objects.isNotYet(gadget, 'default', noKind)).toBe(false);
  expect(objects.isNotYet(inN, 'default', new ApiError('Conflict', 'x'))).toBe(false);
  expect(objects.assumed).toEqual([{ apiVersion: 'v1', kind: 'Namespace', name: 'n' }]);
});

/** Applies with a server that refuses each object so many times. */
async function run(
  set: readonly Manifest[],
  refusals: Readonly<Record<string, number>>,
  fatal: readonly string[] = [],
): Promise<{ applied: string[]; failed: string[]; tries: number; afterMs: number }> {
  const clock = new FakeClock();
  const left = new Map(Object.entries(refusals));
  let tries = 0;
  const applying = applySet(set, {
    apply: async ({ name = '' }) => {
      tries++;
      if (fatal.includes(name)) throw new ApiError('Invalid', 'no');
      const times = left.get(name) ?? 0;
      left.set(name, times - 1);
      if (times > 0) throw notFound('n');
      return name;
    },
    isNotYet: (_, err) => err instanceof ApiError && err.reason === 'NotFound',
    concernsOneObject: () => true,
    signal: new AbortController().signal,
    clock,
  });
  let done = false;
  void applying.finally(() => {
    done = true;
  });
  for (let guard = 0; !done && guard < 10_000; guard++) {
    await clock.advance(50);
  }
  const { applied, failed } = await applying;
  return {
    applied: names(applied.map((a) => a.manifest)),
    failed: names(failed.map((f) => f.manifest)),
    tries,
    afterMs: clock.monotonicMs(),
  };
}

test('what waits for the set is tried again after the rest', async () => {
  const set = manifests('v1 Pod early', 'v1 Pod late');
  const { applied, failed, tries } = await run(set, { early: 3 });
  expect(applied).toEqual(['Pod/late', 'Pod/early']);
  expect(failed).toEqual([]);
  expect(tries).toBe(5);
});

test('waiting ends after half a minute, and at once when what is needed has failed', async () => {
  const forever = await run(manifests('v1 Pod p'), { p: 1e9 });
  expect(forever.failed).toEqual(['Pod/p']);
  expect(forever.tries).toBeLessThan(40);
  expect(forever.afterMs).toBeGreaterThan(25_000);
  expect(forever.afterMs).toBeLessThan(35_000);
  const hopeless = await run(manifests('v1 Namespace n', 'v1 Pod p n'), { p: 1e9 }, ['n']);
  expect(hopeless).toMatchObject({ failed: ['Namespace/n', 'Pod/p'], tries: 2 });
});

test('an owned field is found in the file by the keys of its lists', () => {
  const pod = { spec: { containers: [{ name: 'a' }, { name: 'b', ports: [{ containerPort: 80, protocol: 'TCP' }] }] } };
  expect(fieldPath('.spec.containers[name="b"].image', pod)).toBe('spec.containers[1].image');
  expect(fieldPath('.spec.containers[name="b"].ports[containerPort=80,protocol="TCP"].hostPort', pod)).toBe(
    'spec.containers[1].ports[0].hostPort',
  );
  expect(fieldPath('.spec.containers[name="c"].image', pod)).toBe('spec.containers');
  expect(fieldPath('.metadata.finalizers[="x"]', { metadata: { finalizers: ['y', 'x'] } })).toBe(
    'metadata.finalizers[1]',
  );
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

describe('explain', () => {
  test('a field: type, description, allowed values, default', async () => {
    expect(await cli.ok('explain', 'deploy.spec.strategy.type')).toMatch(
      /^GROUP: {6}apps\nKIND: {7}Deployment\nVERSION: {4}v1\n\nFIELD: type <string>\n\nDESCRIPTION:\n(?: {4}.+\n)+ {4}One of: Recreate, RollingUpdate\.\n {4}Default: RollingUpdate\.\n$/,
    );
    expect(await cli.ok('explain', 'pod.spec.containers.imagePullPolicy')).toContain(
      '    Default: Always when the tag is latest or left out, else IfNotPresent.\n',
    );
  });

  test('what is below a field, with what is required and what has no effect', async () => {
    const text = await cli.ok('explain', 'deploy.spec');
    expect(text).toContain('\n  selector\t<LabelSelector> -required-\n');
    expect(text).toMatch(/\n {2}replicas\t<integer>\n {4}.+\n {4}Default: 1\.\n/);
    expect(await cli.ok('explain', 'pod.spec')).toMatch(
      /\n {2}runtimeClassName\t<string> \(no effect yet\)\n(?: {4}.+\n)* {4}Stored, but .+\.\n/,
    );
  });

  test('--recursive is a tree without descriptions', async () => {
    const text = await cli.ok('explain', 'deployment.spec.strategy', '--recursive');
    expect(text).toMatch(
      /\nFIELDS:\n {2}rollingUpdate\t<RollingUpdateDeployment>\n {4}maxSurge\t<IntOrString>\n {4}maxUnavailable\t<IntOrString>\n {2}type\t<string>\n$/,
    );
  });

  test('a schema that holds itself is told once', async () => {
    const text = await cli.ok('explain', 'crd.spec.versions.schema', '--recursive');
    expect(text).toContain('\n    additionalProperties\t');
    expect(text.match(/^ +patternProperties\t/gm)).toHaveLength(1);
  });

  test('--unsupported with a path lists what is below it, without one every kind', async () => {
    const below = await cli.ok('explain', 'pod.spec.securityContext', '--unsupported');
    expect(below).toMatch(/^FIELD +IS STORED, BUT\n(?:spec\.securityContext\.\S+ {3,}\S.*\n)+$/);
    const all = await cli.ok('explain', '--unsupported');
    const [header, ...lines] = all.split('\n');
    expect(header).toMatch(/^KIND +APIVERSION +FIELD +IS STORED, BUT$/);
    expect(lines.filter((line) => /^Pod +v1 +spec\.runtimeClassName {3,}\S/.test(line))).toHaveLength(1);
    expect(all).not.toMatch(/initContainers\.\w|template\.spec|^\S+ +\S+ +status\./m);
    expect(await cli.ok('explain', 'cm', '--unsupported')).toBe('Everything here is acted on.\n');
  });

  const refused: readonly [readonly string[], string][] = [
    [['pod.spec.containrs'], 'field "containrs" does not exist in Pod.spec (did you mean "containers"?)'],
    [['pod.containers.image'], 'field "containers" does not exist in Pod (did you mean "spec.containers"?)'],
    [
      ['deploy.spec.imagepullpolicy'],
      'field "imagepullpolicy" does not exist in Deployment.spec (did you mean "template.spec.containers.imagePullPolicy"?)',
    ],
    [['deploy', '--api-version=apps/v1beta1'], 'Deployment is not served in version "apps/v1beta1"; it is in apps/v1'],
  ];
  test.each(refused)('refused with what may be meant: %j', async (args, message) => {
    const { code, stderr } = await cli.run(['explain', ...args]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: `Error from server (BadRequest): ${message}\n` });
  });

  test('nothing named', async () => {
    const { code, stderr } = await cli.run(['explain']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: name a kind, or a field of one, such as deployment\.spec\.replicas\n/);
    expect((await cli.run(['explain', 'pod', '-o', 'html'])).stderr).toBe(
      'error: --output must be plaintext, not "html"\n',
    );
  });
});

describe('api-resources', () => {
  test('lists the kinds by group and name', async () => {
    const text = await cli.ok('api-resources', '--api-group=apps');
    expect(text).toMatch(/^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\n/);
    expect(text).toMatch(
      /\ndeployments +deploy +apps\/v1 +true +Deployment\n(?:.+\n)*replicasets +rs +apps\/v1 +true +ReplicaSet\n/,
    );
    const names = (await cli.ok('api-resources', '-o', 'name')).trimEnd().split('\n');
    expect(names).toContain('leases.coordination.k8s.io');
    expect(names.indexOf('configmaps')).toBeLessThan(names.indexOf('deployments.apps'));
    expect(new Set(names).size).toBe(names.length);
  });

  test('chosen by scope, group and verbs; sorted; wide', async () => {
    const clusterWide = await cli.ok('api-resources', '--namespaced=false', '-o', 'name');
    expect(clusterWide).toMatch(/^namespaces\nnodes\n/);
    expect(await cli.ok('api-resources', '--api-group=', '--sort-by=kind', '--no-headers')).toMatch(
      /^(?:.+\n)*configmaps .*\n(?:.+\n)*events .*\n(?:.+\n)*secrets .*\n/,
    );
    expect(await cli.ok('api-resources', '--verbs=list,fly', '-o', 'name')).toBe('');
    expect(await cli.ok('api-resources', '-o', 'wide')).toMatch(
      /^NAME .*VERBS +CATEGORIES\n(?:.+\n)*configmaps .*create,update,patch/,
    );
    expect((await cli.run(['api-resources', '--sort-by=age'])).stderr).toBe(
      'error: --sort-by must be one of name, kind, not "age"\n',
    );
  });

  test('api-versions lists the versions', async () => {
    const versions = (await cli.ok('api-versions')).trimEnd().split('\n');
    expect(versions).toEqual([...new Set(versions)].sort());
    expect(versions).toEqual(expect.arrayContaining(['apps/v1', 'coordination.k8s.io/v1', 'v1']));
  });
});

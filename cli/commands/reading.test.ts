import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest, masked } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
};
const pod = (name: string, labels: object = { app: 'web' }): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { containers: [{ name: 'c', image: 'busybox', resources: { requests: { memory: '64Mi' } } }] },
});

beforeAll(async () => {
  cli = await CliUnderTest.start();
  await cli.apply(deployment, pod('web-2'), pod('web-10'), pod('other', { app: 'other' }));
  await cli.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' }, data: { b: '2', a: 'x\ny\n' } });
});
afterAll(() => cli.stop());

describe('get', () => {
  test('a table of pods', async () => {
    expect(masked(await cli.ok('get', 'pods'))).toBe(
      'NAME     READY   STATUS    RESTARTS   AGE\n' +
        'other    0/1     Pending   0          Ns\n' +
        'web-10   0/1     Pending   0          Ns\n' +
        'web-2    0/1     Pending   0          Ns\n',
    );
  });

  test('wide, without headers, of all namespaces, sorted naturally', async () => {
    expect(masked(await cli.ok('get', 'po', '-A', '-o', 'wide', '--no-headers', '--sort-by=.metadata.name'))).toBe(
      'default   other    0/1   Pending   0     Ns    <none>   <none>   <none>   <none>\n' +
        'default   web-2    0/1   Pending   0     Ns    <none>   <none>   <none>   <none>\n' +
        'default   web-10   0/1   Pending   0     Ns    <none>   <none>   <none>   <none>\n',
    );
  });

  test('options may stand before the verb, joined by =, and short ones too', async () => {
    expect(await cli.ok('-n', 'default', 'get', 'pods', '-o=name', '-l=app=other')).toBe('pod/other\n');
    expect((await cli.run(['get', 'pods', '-nkube-system'])).stderr).toBe(
      'No resources found in kube-system namespace.\n',
    );
  });

  test('several kinds, each with its own table', async () => {
    const text = masked(await cli.ok('get', 'deploy,cm'));
    expect(text).toBe(
      'NAME                  READY   UP-TO-DATE   AVAILABLE   AGE\n' +
        'deployment.apps/web   0/2     0            0           Ns\n' +
        '\n' +
        'NAME            DATA   AGE\n' +
        'configmap/map   2      Ns\n',
    );
  });

  test('labels as columns', async () => {
    expect(masked(await cli.ok('get', 'pods', '-l', 'app=web', '-L', 'app', '--show-labels'))).toBe(
      'NAME     READY   STATUS    RESTARTS   AGE   APP   LABELS\n' +
        'web-10   0/1     Pending   0          Ns    web   app=web\n' +
        'web-2    0/1     Pending   0          Ns    web   app=web\n',
    );
  });

  test('one object as YAML', async () => {
    expect(masked(await cli.ok('get', 'cm', 'map', '-o', 'yaml'))).toBe(
      `apiVersion: v1
data:
  a: |
    x
    y
  b: "2"
kind: ConfigMap
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"v1","data":{"a":"x\\ny\\n","b":"2"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"map","namespace":"default"}}
  creationTimestamp: "TIME"
  name: map
  namespace: default
  resourceVersion: "N"
  uid: UID
`,
    );
  });

  test('a list as JSON holds the objects and no version', async () => {
    const list = JSON.parse(await cli.ok('get', 'pods', '-o', 'json')) as {
      kind: string;
      items: { kind: string }[];
      metadata: object;
    };
    expect(list.kind).toBe('List');
    expect(list.metadata).toEqual({ resourceVersion: '' });
    expect(list.items.map((item) => item.kind)).toEqual(['Pod', 'Pod', 'Pod']);
  });

  test('templates', async () => {
    expect(await cli.ok('get', 'pods', '-o', 'jsonpath={.items[*].metadata.name}')).toBe('other web-10 web-2');
    expect(await cli.ok('get', 'pod', 'web-2', '-o', 'jsonpath={.spec.containers[0].image}')).toBe('busybox');
    expect(
      await cli.ok('get', 'pods', '-o', 'custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image'),
    ).toBe('NAME     IMAGE\nother    busybox\nweb-10   busybox\nweb-2    busybox\n');
  });

  test('what is not there, beside what is', async () => {
    const result = await cli.run(['get', 'pod', 'web-2', 'nope', '-o', 'name']);
    expect(result).toEqual({
      code: 1,
      stdout: 'pod/web-2\n',
      stderr: 'Error from server (NotFound): pods "nope" not found\n',
    });
    expect(await cli.ok('get', 'pod', 'nope', '--ignore-not-found')).toBe('');
  });

  test('objects of a file', async () => {
    const file = cli.file('get.yaml', JSON.stringify(deployment));
    expect(await cli.ok('get', '-f', file, '-o', 'name')).toBe('deployment.apps/web\n');
  });

  const refused: readonly [readonly string[], string][] = [
    [
      ['get'],
      'error: You must specify the type of resource, such as: pods, deployments, nodes\nRun "skiff api-resources" for a list of them.\n',
    ],
    [
      ['get', 'deploymnets'],
      `Error from server (NotFound): the server doesn't have a resource type "deploymnets"; did you mean "deployments"?\n`,
    ],
    [
      ['get', 'pods', '-o', 'foo'],
      'error: unable to match a printer suitable for the output format "foo", allowed formats are: json, yaml, name, wide, jsonpath=…, jsonpath-file=…, jsonpath-as-json=…, custom-columns=…, custom-columns-file=…\n',
    ],
    [['get', 'pods', '-o', 'jsonpath={.x'], 'error: unclosed action: a "}" is missing\n'],
    [['get', 'pod', 'a', '-l', 'x=y'], 'error: name cannot be provided when a selector is specified\n'],
    [['get', 'pod', 'a', '-A'], 'error: a resource cannot be retrieved by name across all namespaces\n'],
    [
      ['get', 'pod/a', 'b'],
      "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'skiff get resource/<name>' instead of 'skiff get resource resource/<name>')\n",
    ],
    [
      ['get', 'pods', '--waatch'],
      "error: unknown option '--waatch'\n(Did you mean --watch?)\nSee 'skiff get --help' for usage.\n",
    ],
    [['gte', 'pods'], 'error: unknown command "gte" for "skiff"\nDid you mean this?\n\tget\n'],
  ];
  test.each(refused)('refused: %j', async (args, stderr) => {
    expect(await cli.run(args)).toEqual({ code: 1, stdout: '', stderr });
  });

  test('watching prints what is, and then every change below it', async () => {
    const stop = new AbortController();
    let shown = '';
    let deleted: Promise<unknown> | undefined;
    let created: Promise<unknown> | undefined;
    const result = await cli.run(['get', 'pods', '-l', 'app=watched', '-w'], {
      signal: stop.signal,
      onOutput: (all) => {
        shown = all;
        if (/later/.test(all)) deleted ??= cli.run(['delete', 'pod', 'later']);
        if ((all.match(/later/g) ?? []).length >= 2) stop.abort();
      },
      ...(await (async () => {
        await cli.apply(pod('first', { app: 'watched' }));
        created = new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
          cli.apply(pod('later', { app: 'watched' })),
        );
        return {};
      })()),
    });
    await created;
    await deleted;
    expect(result.code).toBe(130);
    expect(masked(shown).split('\n').slice(0, 3)).toEqual([
      'NAME    READY   STATUS    RESTARTS   AGE',
      'first   0/1     Pending   0          Ns',
      'later   0/1     Pending   0          Ns',
    ]);
    await cli.run(['delete', 'pod', 'first']);
  });
});

describe('describe', () => {
  test('a pod that no node takes says why', async () => {
    const message = '0/3 nodes are available: 2 Insufficient memory, 1 node(s) had untolerated taint(s).';
    await cli.patchStatus('pods', 'web-2', {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
    });
    expect(masked(await cli.ok('describe', 'pod', 'web-2'))).toBe(
      `Name:             web-2
Namespace:        default
Priority:         0
Service Account:  default
Node:             <none>
Labels:           app=web
Annotations:      <none>
Status:           Pending
Why Not Ready:    No node takes it: ${message}
Containers:
  c:
    Image:        busybox
    Requests:     memory: 64Mi
    Environment:  <none>
    Mounts:       <none>
Conditions:
  Type          Status  Reason         Message
  PodScheduled  False   Unschedulable  ${message}
Volumes:  <none>
QoS Class:       Burstable
Node-Selectors:  <none>
Tolerations:     node.kubernetes.io/not-ready:NoExecute op=Exists for Ns
                 node.kubernetes.io/unreachable:NoExecute op=Exists for Ns
Events:  <none>
`,
    );
  });

  test('a pod that keeps crashing says with what, and where to look', async () => {
    await cli.patchStatus('pods', 'web-10', {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'c',
          image: 'busybox',
          imageID: '',
          ready: false,
          restartCount: 4,
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s restarting failed container' } },
          lastState: {
            terminated: {
              exitCode: 137,
              reason: 'OOMKilled',
              startedAt: '2026-01-01T00:00:00Z',
              finishedAt: '2026-01-01T00:00:05Z',
            },
          },
        },
      ],
    });
    const text = masked(await cli.ok('describe', 'pod/web-10'));
    expect(text).toContain(
      'Why Not Ready:    Container c: CrashLoopBackOff: back-off Ns restarting failed container\n' +
        '                    it ended with exit code 137 (OOMKilled); see: skiff logs web-10 -c c --previous\n',
    );
    expect(text).toContain('    Restart Count:  4\n');
  });

  test('the beginning of names is enough', async () => {
    const text = await cli.ok('describe', 'pod', 'web-');
    expect(text.match(/^Name: +\S+$/gm)).toEqual(['Name:             web-10', 'Name:             web-2']);
    expect((await cli.run(['describe', 'pod', 'nope-'])).stderr).toBe(
      'Error from server (NotFound): pods "nope-" not found\n',
    );
  });

  test('a deployment shows what it owns', async () => {
    const live = JSON.parse(await cli.ok('get', 'deploy', 'web', '-o', 'json')) as { metadata: { uid: string } };
    const owned = (kind: string, name: string, uid: string): object => ({
      apiVersion: 'apps/v1',
      kind,
      name,
      uid,
      controller: true,
    });
    const set = {
      ...deployment,
      kind: 'ReplicaSet',
      metadata: {
        name: 'web-1',
        labels: { app: 'web' },
        ownerReferences: [owned('Deployment', 'web', live.metadata.uid)],
      },
    };
    await cli.apply(JSON.parse(JSON.stringify(set)) as object);
    const text = masked(await cli.ok('describe', 'deployment', 'web'));
    expect(text).toContain('Ownership:\n  Deployment/web  0/2 ready\n  └─ ReplicaSet/web-1  0/2 ready\n');
    expect(text).toContain('RollingUpdateStrategy:  25% max unavailable, 25% max surge\n');
    expect(text).toContain('Pod Template:\n  Labels:  app=web\n  Containers:\n    c:\n      Image:        nginx:1\n');
    await cli.ok('delete', 'rs', 'web-1');
  });

  test('any other kind is readable; values of secrets are only measured', async () => {
    await cli.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'key' },
      stringData: { password: 'hunter2' },
    });
    const text = masked(await cli.ok('describe', 'secret', 'key'));
    expect(text).not.toMatch(/hunter2|aHVudGVyMg/);
    expect(text).toBe(
      `Name:         key
Namespace:    default
Labels:       <none>
Annotations:  <none>
API Version:  v1
Kind:         Secret
Created:      TIME (Ns ago)
Data:
  password:  7 bytes
Type:         Opaque
Events:  <none>
`,
    );
  });
});

describe('events', () => {
  test('oldest first, for one object, of one type', async () => {
    const event = (name: string, type: string, seen: string, about: string): object => ({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name: about, namespace: 'default' },
      type,
      reason: name,
      message: `${name} happened`,
      lastTimestamp: seen,
      firstTimestamp: seen,
      count: 1,
    });
    const at = (secondsAgo: number): string => new Date(Date.now() - secondsAgo * 1000).toISOString();
    await cli.apply(
      event('newer', 'Normal', at(20), 'web-2'),
      event('older', 'Warning', at(40), 'web-2'),
      event('foreign', 'Normal', at(30), 'x'),
    );
    const names = async (...args: string[]): Promise<string[]> =>
      (await cli.ok('events', '--no-headers', ...args))
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/^.*\s(\w+) happened$/, '$1'));
    expect(await names()).toEqual(['older', 'foreign', 'newer']);
    expect(await names('--for', 'pod/web-2')).toEqual(['older', 'newer']);
    expect(await names('--types=Warning')).toEqual(['older']);
    expect(masked(await cli.ok('events', '--for=pod/x'))).toBe(
      'LAST SEEN   TYPE     REASON    OBJECT   MESSAGE\nNs         Normal   foreign   pod/x    foreign happened\n',
    );
    expect((await cli.run(['events', '-n', 'kube-public'])).stderr).toBe('No events found in kube-public namespace.\n');
  });
});

describe('what there is', () => {
  test('version tells of both sides', async () => {
    const node = process.version;
    expect(await cli.ok('version')).toBe(
      `Client Version: dev (Node.js ${node})\nServer Version: 1.2.3 (Node.js ${node}, etcd 3.5.0)\n`,
    );
    expect(JSON.parse(await cli.ok('version', '-o', 'json'))).toMatchObject({ serverVersion: { gitCommit: 'abc' } });
    expect(await cli.ok('version', '--client')).toBe(`Client Version: dev (Node.js ${node})\n`);
  });
});

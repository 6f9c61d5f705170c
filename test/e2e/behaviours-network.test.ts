/** Rows of the conformance list's sig-network, by their numbers in docs/behaviours.md, on two machines with real pods. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, type TestCluster } from '../harness/cluster.ts';
import { busyboxArchive } from '../harness/images.ts';
import { TestMachines } from '../harness/machines.ts';
import { apply, busyboxPod, type PodJson, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();
const PROBE = join(import.meta.dirname, '../harness/network-probe.mjs');
const ZONE = 'default.svc.cluster.local';
const SERVICE = 'kubernetes.io/service-name';

/** See network-probe.mjs. */
type Question = readonly [way: 'http' | 'udp' | 'open' | 'lookup' | 'cname' | 'srv', host: string, port?: number];

/** What the probe needs of the machine: busybox has no server that speaks UDP. */
const GIVEN = [
  [process.execPath, '/probe/node'],
  [PROBE, '/probe/probe.mjs'],
  ['/lib', '/lib'],
  ['/lib64', '/lib64'],
  ['/usr/lib', '/usr/lib'],
].flatMap(([path = '', mountPath = '']) => (existsSync(path) ? [{ path, mountPath }] : []));

/** A pod that answers on 8080 and 8081. */
function probePod(name: string, spec: object, labels: Record<string, string>, ports: readonly object[] = []): object {
  return JSON.parse(
    busyboxPod(name, 'exec /probe/node /probe/probe.mjs serve 8080 8081', {
      labels,
      container: {
        ports,
        readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        volumeMounts: GIVEN.map(({ mountPath }, at) => ({ name: `given-${at}`, mountPath, readOnly: true })),
      },
      spec: {
        ...spec,
        volumes: GIVEN.map(({ path }, at) => ({ name: `given-${at}`, hostPath: { path } })),
      },
    }),
  ) as object;
}

function on(node: string): object {
  return { nodeSelector: { 'kubernetes.io/hostname': node } };
}

function service(name: string, spec: object, labels: Record<string, string> = {}): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, labels }, spec };
}

/** A slice that somebody wrote: one address, ports by name. */
function slice(name: string, of: string, address: string, ports: Readonly<Record<string, number>>): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { [SERVICE]: of } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: Object.entries(ports).map(([portName, port]) => ({ name: portName, port, protocol: 'TCP' })),
  };
}

/** Objects as one manifest. */
function list(...items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

const say = { app: 'say' };
const TCP = { name: 'http', port: 80, targetPort: 'http', nodePort: 30_080, protocol: 'TCP' };
const UDP = { name: 'dgram', port: 80, targetPort: 8080, nodePort: 30_080, protocol: 'UDP' };
const OBJECTS = list(
  probePod('alpha', { ...on('node-1'), hostname: 'alpha', subdomain: 'peers' }, say, [
    { name: 'http', containerPort: 8080 },
    { name: 'left', containerPort: 8081 },
  ]),
  probePod('beta', { ...on('node-2'), hostname: 'beta', subdomain: 'peers' }, say, [
    { name: 'http', containerPort: 8080 },
    { name: 'right', containerPort: 8081 },
  ]),
  service('say', {
    type: 'NodePort',
    selector: say,
    ports: [TCP, UDP],
  }),
  service('peers', { clusterIP: 'None', selector: say, ports: [{ name: 'http', port: 8080 }] }),
);

const title = `two machines and their pods${reason ? ` (skipped: ${reason})` : ''}`;
describe.skipIf(reason !== undefined)(title, () => {
  let machines: TestMachines;
  let server: TestCluster;
  let ip: Readonly<Record<'alpha' | 'beta' | 'say', string>>;

  beforeAll(async () => {
    machines = await TestMachines.start({ machines: 2 });
    server = machines.server;
    await machines.load(busyboxArchive());
    await apply(server, OBJECTS);
    const pods = await waitReady(server, 'app=say', 2);
    const of = (name: string): string => pods.find(({ metadata }) => metadata.name === name)?.status.podIP ?? '';
    ip = { alpha: of('alpha'), beta: of('beta'), say: (await spec('say')).clusterIP ?? '' };
  });
  afterAll(() => machines?.stop());

  async function spec(name: string): Promise<ServiceJson['spec']> {
    return (await server.json<ServiceJson>('service', name)).spec;
  }

  /** What a pod or, by its place, a machine gets for answers. */
  async function ask(from: string | number, ...questions: readonly Question[]): Promise<string[]> {
    const words = ['ask', JSON.stringify(questions)];
    const { code, stdout, stderr } =
      typeof from === 'number'
        ? await machines.machine(from).command([process.execPath, PROBE, ...words])
        : await server.skiff(['exec', from, '--', '/probe/node', '/probe/probe.mjs', ...words]);
    if (code !== 0) throw new Error(`asking from ${from} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as string[];
  }

  /** Waits until the answers are these; a name stands for what a pod of that name says, whatever the port and the client. */
  function until(from: string | number, questions: readonly Question[], expected: readonly string[]): Promise<true> {
    return waitFor(`${JSON.stringify(questions)} from ${from} to be ${expected.join(', ')}`, async () => {
      const answers = await ask(from, ...questions);
      if (answers.every((answer, at) => answer === expected[at] || answer.split(' ')[0] === expected[at])) return true;
      throw new Error(answers.join(', '));
    });
  }

  /** Which pods answer when one client asks often. */
  async function answering(from: string | number, host: string, port: number): Promise<string[]> {
    const answers = await ask(from, ...Array.from({ length: 24 }, (): Question => ['http', host, port]));
    return [...new Set(answers.map((answer) => answer.split(' ')[0] ?? ''))].sort();
  }

  /** Addresses in the slices of a service; undefined without a slice. */
  async function endpoints(name: string): Promise<string | undefined> {
    const { items } = await server.json<{ items: readonly SliceJson[] }>('endpointslices', '-l', `${SERVICE}=${name}`);
    if (items.length === 0) return undefined;
    return items
      .flatMap(({ endpoints: all }) => all ?? [])
      .flatMap(({ addresses, conditions }) => (conditions?.ready === false ? [] : addresses))
      .sort()
      .join(' ');
  }

  test('the service of the API is there from the start, names its server, and leads to it (sig-network 1, 2, 42)', async () => {
    const { items } = await server.json<{ items: readonly ServiceJson[] }>('services', '-A');
    const api = items.find(({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes');
    expect(api?.spec).toMatchObject({ clusterIP: '10.43.0.1', ports: [{ name: 'https', port: 443, protocol: 'TCP' }] });
    expect(await endpoints('kubernetes')).toBe(machines.address(0));
    await until('beta', [['open', 'kubernetes.default', 443]], ['open']);
  });

  test('pods find services, each other and themselves by their names, whole or in part (sig-network 3, 5 to 9)', async () => {
    const hosts = (await server.ok(['exec', 'alpha', '--', 'cat', '/etc/hosts'])).stdout;
    expect(hosts).toContain(`${ip.alpha}\talpha.peers.${ZONE}\talpha`);
    expect(await ask('alpha', ['lookup', 'alpha'], ['lookup', `alpha.peers.${ZONE}`])).toEqual([ip.alpha, ip.alpha]);
    const both = [ip.alpha, ip.beta].sort().join(' ');
    const names: readonly (readonly [Question, string])[] = [
      [['lookup', 'say'], ip.say],
      [['lookup', 'say.default'], ip.say],
      [['lookup', 'say.default.svc'], ip.say],
      [['lookup', `say.${ZONE}`], ip.say],
      [['lookup', 'kubernetes.default'], '10.43.0.1'],
      [['lookup', 'peers'], both],
      [['lookup', 'alpha.peers'], ip.alpha],
      [['lookup', `alpha.peers.${ZONE}`], ip.alpha],
      [['lookup', `none.peers.${ZONE}.`], 'ENOTFOUND'],
      [['srv', `_http._tcp.say.${ZONE}`], `say.${ZONE}:80`],
      [['srv', `_dgram._udp.say.${ZONE}`], `say.${ZONE}:80`],
      [['srv', `_http._tcp.peers.${ZONE}`], `alpha.peers.${ZONE}:8080 beta.peers.${ZONE}:8080`],
    ];
    await until(
      'beta',
      names.map(([question]) => question),
      names.map(([, answer]) => answer),
    );
  });

  test('a pod reaches pods on every node by HTTP and UDP, and so does a node (sig-network 23 to 26)', async () => {
    const questions: Question[] = [ip.alpha, ip.beta].flatMap((host) => [
      ['http', host, 8080],
      ['udp', host, 8080],
    ]);
    for (const from of ['alpha', 'beta', 0, 1]) {
      await until(from, questions, ['alpha', 'alpha', 'beta', 'beta']);
    }
    // As themselves.
    expect(await ask('alpha', ['http', ip.beta, 8080], ['udp', ip.beta, 8080])).toEqual([
      `beta 8080 ${ip.alpha}`,
      `beta 8080 ${ip.alpha}`,
    ]);
  });

  test('a service is reached by name, address and the port of every node, by TCP and UDP of one number (sig-network 37, 46)', async () => {
    const everywhere: Question[] = [machines.address(0), machines.address(1)].flatMap((host) => [
      ['http', host, 30_080],
      ['udp', host, 30_080],
    ]);
    const answered = async (from: string | number, ...questions: readonly Question[]): Promise<void> => {
      for (const answer of await ask(from, ...questions)) expect(answer).toMatch(/^(alpha|beta) 8080 /);
    };
    const inside: Question[] = [
      ['http', 'say', 80],
      ['http', ip.say, 80],
      ['udp', ip.say, 80],
    ];
    await waitFor('the service on node-1', () => answered('alpha', ...inside, ...everywhere).then(() => true));
    await waitFor('the service on node-2', () => answered('beta', ...inside, ...everywhere).then(() => true));
    for (const from of [0, 1]) await answered(from, ...everywhere, ['http', ip.say, 80], ['udp', ip.say, 80]);

    const set = (...kept: readonly object[]): Promise<unknown> =>
      server.ok(['patch', 'service', 'say', '--type', 'merge', '-p', JSON.stringify({ spec: { ports: kept } })]);
    const byTcp: Question[] = [
      ['http', ip.say, 80],
      ['http', machines.address(1), 30_080],
    ];
    const byUdp: Question[] = [
      ['udp', ip.say, 80],
      ['udp', machines.address(1), 30_080],
    ];
    const refused = ['ECONNREFUSED', 'ECONNREFUSED'];
    await set(UDP);
    await until('beta', byTcp, refused);
    await answered('beta', ...byUdp);
    await set(TCP);
    await until('beta', byUdp, refused);
    await waitFor('TCP to be back', () => answered('beta', ...byTcp).then(() => true));
    await set(TCP, UDP);
    await waitFor('UDP to be back', () => answered('beta', ...byUdp).then(() => true));
  });

  test('a client stays with one pod while it is asked to, by the address and by the port of a node (sig-network 38, 39, 43, 44)', async () => {
    const ways: readonly (readonly [string, number, string | number])[] = [
      [ip.say, 80, 'beta'],
      [machines.address(0), 30_080, 1],
    ];
    for (const [sessionAffinity, pods] of [
      ['None', 2],
      ['ClientIP', 1],
      ['None', 2],
    ] as const) {
      const spec = { sessionAffinity, ...(pods === 2 ? { sessionAffinityConfig: null } : {}) };
      await server.ok(['patch', 'service', 'say', '--type', 'merge', '-p', JSON.stringify({ spec })]);
      for (const [host, port, from] of ways) {
        await waitFor(`${pods} pods of affinity ${sessionAffinity} to answer at ${host}`, async () => {
          const names = await answering(from, host, port);
          if (names.length === pods && names.every((name) => name === 'alpha' || name === 'beta')) return true;
          throw new Error(names.join(', '));
        });
      }
    }
  });

  test('a service that is an alias follows edits, gets addresses with its type, and gives them back (sig-network 4, 33 to 36)', async () => {
    const name = `moving.${ZONE}`;
    const become = async (changed: object): Promise<ServiceJson['spec']> => {
      await server.ok(['patch', 'service', 'moving', '--type', 'merge', '-p', JSON.stringify({ spec: changed })]);
      return spec('moving');
    };
    const ports = [{ port: 80, targetPort: 8080 }];
    await apply(server, list(service('moving', { type: 'ExternalName', externalName: `say.${ZONE}` })));
    const alias = ['cname', name] as const;
    await until('beta', [alias, ['lookup', 'moving']], [`say.${ZONE}`, ip.say]);
    await become({ externalName: `alpha.peers.${ZONE}` });
    await until('beta', [alias, ['lookup', 'moving']], [`alpha.peers.${ZONE}`, ip.alpha]);

    // 34 and 33: the selector is one pod's, so that its answer tells the service from what the alias led to.
    const selector = { test: 'beta' };
    const plain = await become({ type: 'ClusterIP', externalName: null, selector, ports });
    const address = plain.clusterIP ?? '';
    expect(address).toMatch(/^10\.43\./);
    const served: Question[] = [
      ['lookup', 'moving'],
      ['http', 'moving', 80],
      ['http', address, 80],
    ];
    await until('alpha', served, [address, 'beta', 'beta']);
    const named = await become({ type: 'ExternalName', externalName: `say.${ZONE}` });
    expect(named.clusterIP ?? '').toBe('');
    await until('alpha', [alias, ['open', address, 80]], [`say.${ZONE}`, 'ECONNREFUSED']);

    // 35 and 36.
    const ported = await become({ type: 'NodePort', externalName: null, ports });
    const nodePort = ported.ports?.[0]?.nodePort ?? 0;
    expect(nodePort).toBeGreaterThanOrEqual(30_000);
    const doors: Question[] = [
      ['http', ported.clusterIP ?? '', 80],
      ['http', machines.address(0), nodePort],
      ['http', machines.address(1), nodePort],
    ];
    await until(1, doors, ['beta', 'beta', 'beta']);
    const again = await become({ type: 'ExternalName', externalName: `say.${ZONE}` });
    expect(again.clusterIP ?? '').toBe('');
    expect(again.ports?.[0]?.nodePort).toBeUndefined();
    await until(1, doors, ['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
    await until('alpha', [alias], [`say.${ZONE}`]);
    await server.ok(['delete', 'service', 'moving']);
  });

  test('slices and Endpoints that somebody writes are served, with addresses and ports of their own (sig-network 13, 14, 16)', async () => {
    const ports = [
      { name: 'one', port: 80 },
      { name: 'two', port: 81 },
    ];
    const single = { ports: [{ port: 80, targetPort: 8081 }] };
    await apply(
      server,
      list(
        ...['same-address', 'two-addresses'].map((name) => service(name, { ports })),
        slice('same-1', 'same-address', ip.alpha, { one: 8080 }),
        slice('same-2', 'same-address', ip.alpha, { two: 8081 }),
        slice('two-1', 'two-addresses', ip.alpha, { one: 8080 }),
        slice('two-2', 'two-addresses', ip.beta, { two: 8081 }),
        service('mirrored', single),
        {
          apiVersion: 'v1',
          kind: 'Endpoints',
          metadata: { name: 'mirrored' },
          subsets: [{ addresses: [{ ip: ip.beta }], ports: [{ port: 8081 }] }],
        },
      ),
    );
    const asked: Question[] = [
      ['http', 'same-address', 80],
      ['http', 'same-address', 81],
      ['http', 'two-addresses', 80],
      ['http', 'two-addresses', 81],
      ['http', 'mirrored', 80],
    ];
    await until('beta', asked, ['alpha', 'alpha', 'alpha', 'beta', 'beta']);
    const said = (await ask('beta', ...asked)).map((answer) => answer.split(' ')[1]);
    expect(said).toEqual(['8080', '8081', '8080', '8081', '8081']);
    await server.ok(['delete', 'endpoints', 'mirrored']);
    await waitFor('the mirrored slice to go', async () => (await endpoints('mirrored')) === undefined);
  });

  test('a service of no pods has an empty slice until it goes; each named port follows its own pods (sig-network 12, 19, 47)', async () => {
    const ports = [
      { name: 'left', port: 90, targetPort: 'left' },
      { name: 'right', port: 91, targetPort: 'right' },
    ];
    await apply(server, list(service('sides', { selector: { side: 'yes' }, ports })));
    await waitFor('an empty slice', async () => (await endpoints('sides')) === '');
    const { subsets } = await waitFor('its Endpoints', () => server.json<EndpointsJson>('endpoints', 'sides'));
    expect(subsets ?? []).toEqual([]);
    const asked: Question[] = [
      ['http', 'sides', 90],
      ['http', 'sides', 91],
    ];
    await until('beta', asked, ['ECONNREFUSED', 'ECONNREFUSED']);
    await server.ok(['label', 'pod', 'alpha', 'side=yes']);
    await until('beta', asked, ['alpha', 'ECONNREFUSED']);
    await server.ok(['label', 'pod', 'beta', 'side=yes']);
    await until('beta', asked, ['alpha', 'beta']);
    await server.ok(['label', 'pod', 'alpha', 'side-']);
    await until('beta', asked, ['ECONNREFUSED', 'beta']);
    await server.ok(['label', 'pod', 'beta', 'side-']);
    await server.ok(['delete', 'service', 'sides']);
    await waitFor('its slice to go', async () => (await endpoints('sides')) === undefined);
  });

  test('a pod has the name server and search list it names; a pod that comes and goes is followed (sig-network 10, 11, 18, 45)', async () => {
    const labels = { late: 'yes' };
    const dnsConfig = {
      nameservers: ['10.43.0.10'],
      searches: ['svc.cluster.local'],
      options: [{ name: 'ndots', value: '2' }],
    };
    await apply(
      server,
      list(
        service('late', { selector: labels, ports: [{ port: 80, targetPort: 8080 }] }),
        probePod('late', { ...on('node-1'), dnsPolicy: 'None', dnsConfig }, labels),
      ),
    );
    const [pod] = await waitReady(server, 'late=yes', 1);
    const address = pod?.status.podIP ?? '';
    await until('beta', [['http', 'late', 80]], ['late']);
    expect(await endpoints('late')).toBe(address);
    const { subsets = [] } = await server.json<EndpointsJson>('endpoints', 'late');
    expect(subsets.flatMap(({ addresses = [] }) => addresses.map((one) => one.ip))).toEqual([address]);

    const { stdout } = await server.ok(['exec', 'late', '--', 'cat', '/etc/resolv.conf']);
    expect(stdout.trim().split('\n')).toEqual(['nameserver 10.43.0.10', 'search svc.cluster.local', 'options ndots:2']);
    await until('late', [['lookup', 'say.default']], [ip.say]);

    await server.ok(['delete', 'pod', 'late']);
    await waitFor('the slice to be empty', async () => (await endpoints('late')) === '');
    await until('beta', [['http', 'late', 80]], ['ECONNREFUSED']);
    expect((await server.json<EndpointsJson>('endpoints', 'late')).subsets ?? []).toEqual([]);
  });

  test('one host port is had by several pods of a node when address or protocol differ (sig-network 20)', async () => {
    const node = machines.address(1);
    const wants: readonly (readonly [name: string, hostIP: string, protocol: string])[] = [
      ['loop', '127.0.0.1', 'TCP'],
      ['wire', node, 'TCP'],
      ['wire-udp', node, 'UDP'],
    ];
    const pods = wants.map(([name, hostIP, protocol]) =>
      probePod(name, on('node-2'), { door: 'yes' }, [{ containerPort: 8080, hostPort: 18_090, hostIP, protocol }]),
    );
    await apply(server, list(...pods));
    const ready: readonly PodJson[] = await waitReady(server, 'door=yes', 3);
    expect(ready.map(({ spec: { nodeName } }) => nodeName)).toEqual(['node-2', 'node-2', 'node-2']);
    const doors: Question[] = [
      ['http', node, 18_090],
      ['udp', node, 18_090],
    ];
    await until(0, doors, ['wire', 'wire-udp']);
    await until(1, [['http', '127.0.0.1', 18_090], ...doors], ['loop', 'wire', 'wire-udp']);
    await server.ok(['delete', 'pods', '-l', 'door=yes', '--wait=false']);
  });

  test('twenty services have their endpoints soon, and are deleted by label, no others (sig-network 30, 41)', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `many-${at}`);
    const spec = { selector: say, ports: [{ port: 80, targetPort: 8080 }] };
    const took = new Map<string, number>();
    const beganMs = Date.now();
    const applied = apply(server, list(...names.map((name) => service(name, spec, { many: 'yes' }))));
    await waitFor('the endpoints of all', async () => {
      const { items } = await server.json<{ items: readonly SliceJson[] }>('endpointslices');
      for (const { metadata, endpoints: all } of items) {
        const name = metadata.labels?.[SERVICE] ?? '';
        if (name.startsWith('many-') && all?.length === 2 && !took.has(name)) took.set(name, Date.now() - beganMs);
      }
      return took.size === names.length;
    });
    await applied;
    const sorted = [...took.values()].sort((a, b) => a - b);
    expect(sorted[9]).toBeLessThan(10_000);
    expect(sorted[17]).toBeLessThan(20_000);
    await server.ok(['delete', 'services', '-l', 'many=yes']);
    const { items } = await server.json<{ items: readonly ServiceJson[] }>('services');
    const left = items.map(({ metadata }) => metadata.name);
    expect(left).toEqual(expect.arrayContaining(['kubernetes', 'peers', 'say']));
    expect(left.filter((name) => name.startsWith('many-'))).toEqual([]);
  });

  test('the agents have not complained', () => {
    for (const machine of machines.all) {
      const log = readFileSync(machine.path('var/log/skiff/agent.log'), 'utf8');
      expect(log.split('\n').filter((line) => line.includes('"level":"error"'))).toEqual([]);
    }
  });
});

interface ServiceJson {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly type: string;
    readonly clusterIP?: string;
    readonly ports?: readonly { readonly port: number; readonly nodePort?: number; readonly protocol?: string }[];
  };
}

interface SliceJson {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
  }[];
}

interface EndpointsJson {
  readonly subsets?: readonly { readonly addresses?: readonly { readonly ip: string }[] }[];
}

/** NetworkPolicy in a real kernel: a node's rules between pods of its own, the outside and the node itself. */
import { setMaxListeners } from 'node:events';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { clusterView } from '../../node-agent/features/cluster-view.ts';
import type { NodeFeature } from '../../node-agent/features/node-feature.ts';
import { applyPlan } from '../../node-agent/policy/apply-plan.ts';
import { createNetworkPolicy } from '../../node-agent/policy/network-policy.ts';
import { policyWorlds } from '../../node-agent/policy/policy-arbitrary.ts';
import { type PolicyPlan, planPolicies } from '../../node-agent/policy/policy-plan.ts';
import { compilePolicy } from '../../node-agent/policy/policy-rules.ts';
import { NftTable } from '../../node-agent/rules/nft-table.ts';
import { type corev1, KINDS, type networkingv1 } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { PolicyWorld, whyNoPolicyWorld } from './network-policy-world.ts';

const reason = whyNoPolicyWorld();
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const WEB = '10.231.7.11';
const API = '10.231.7.12';
const LAB = '10.231.7.13';
const LATE = '10.231.7.14';
const VIP = '10.43.0.80';

describe.skipIf(reason !== null)(`network policies in the kernel${reason === null ? '' : ` (${reason})`}`, () => {
  let world: PolicyWorld;
  let client: MemoryResourceClient;
  let stop: () => Promise<void>;
  let feature: NodeFeature;

  const start = (): void => {
    const stopping = new AbortController();
    setMaxListeners(0, stopping.signal);
    const view = clusterView({ client, clock: systemClock, log });
    const table = new NftTable({ name: 'skt', clock: systemClock, enter: world.enterNode });
    const place = { name: 'n1', bridge: world.bridge };
    const parts = { place, view, table, clock: systemClock, log, enter: world.enterNode, changed: () => undefined };
    feature = createNetworkPolicy(parts);
    const running = [view.run(stopping.signal), feature.run(stopping.signal)];
    stop = async () => {
      stopping.abort();
      await Promise.all(running);
    };
  };

  const podOf = (namespace: string, name: string): corev1.Pod => ({
    metadata: { namespace, name, labels: { app: name } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'main', containerPort: 8080 }] }] },
  });
  const addPod = async (namespace: string, name: string, ip: string): Promise<void> => {
    world.addPod(name, ip);
    const made = await client.create(KINDS.Pod, podOf(namespace, name));
    const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] };
    await client.update(KINDS.Pod, { ...made, status }, { subresource: 'status' });
    await world.serve(name, 8080, 8081, 8090);
  };
  const policy = async (name: string, spec: networkingv1.NetworkPolicySpec, namespace = 'shop'): Promise<void> => {
    await client.create(KINDS.NetworkPolicy, { metadata: { namespace, name }, spec });
  };
  const clear = async (): Promise<void> => {
    for (const { metadata } of client.peek(KINDS.NetworkPolicy)) {
      await client.delete(KINDS.NetworkPolicy, { namespace: metadata?.namespace, name: metadata?.name ?? '' });
    }
  };

  /** Waits until exactly these connections work, of those asked about. Each is `from address port`. */
  const expectReach = async (wanted: Readonly<Record<string, boolean>>): Promise<void> => {
    let seen: Record<string, boolean> = {};
    await waitFor(
      'the connections that should work',
      async () => {
        const pairs = Object.keys(wanted).map(async (line) => {
          const [from = '', ip = '', port = ''] = line.split(' ');
          return [line, await world.reaches(from, ip, Number(port))] as const;
        });
        seen = Object.fromEntries(await Promise.all(pairs));
        return JSON.stringify(seen) === JSON.stringify(wanted);
      },
      { timeoutMs: 5_000 },
    ).catch(() => undefined);
    expect(seen).toEqual(wanted);
  };

  beforeAll(async () => {
    world = new PolicyWorld();
    client = new MemoryResourceClient();
    for (const [name, team] of [
      ['shop', 'sales'],
      ['lab', 'science'],
    ] as const) {
      await client.create(KINDS.Namespace, { metadata: { name, labels: { team } } });
    }
    await addPod('shop', 'web', WEB);
    await addPod('shop', 'api', API);
    await addPod('lab', 'lab', LAB);
    await world.echo('api', 9000);
    await world.serve('outside', 8080);
    await world.serve('node', 8080);
    // Stands in for a service: api behind an address of its own, reached by itself through the node.
    world.sh(
      'node',
      `nft add table ip svc
      nft 'add chain ip svc pre { type nat hook prerouting priority dstnat; }'
      nft 'add chain ip svc post { type nat hook postrouting priority srcnat; }'
      nft add rule ip svc pre ip daddr ${VIP} tcp dport 80 dnat to ${API}:8080
      nft add rule ip svc post ip saddr ${API} ip daddr ${API} masquerade`,
    );
    start();
  });

  // One failed test must not make the next ones fail.
  afterEach(clear);

  afterAll(async () => {
    await stop?.();
    await world?.close();
  });

  test('without a policy everybody reaches everybody', async () => {
    await expectReach({
      [`web ${API} 8080`]: true,
      [`lab ${API} 8081`]: true,
      [`outside ${API} 8080`]: true,
      'web 192.0.2.2 8080': true,
    });
  });

  test('default deny keeps out all but the node and the pod itself, and cuts nothing that is open', async () => {
    const open = world.connect('web', API, 9000);
    expect(await open.ask('before')).toBe('before');
    await policy('deny', { podSelector: {}, policyTypes: ['Ingress'] });
    await expectReach({
      [`web ${API} 8080`]: false,
      [`lab ${API} 8080`]: false,
      [`outside ${API} 8080`]: false,
      [`web ${VIP} 80`]: false,
      [`node ${API} 8080`]: true,
      [`api ${API} 8080`]: true,
      [`api ${VIP} 80`]: true,
      // Other namespaces, and what the guarded pods themselves begin.
      [`api ${LAB} 8080`]: true,
      'api 192.0.2.2 8080': true,
    });
    expect(await open.ask('after')).toBe('after');
    open.end();
    // Rules outlive the agent, also while the next one knows nothing yet.
    await stop();
    await expectReach({ [`web ${API} 8080`]: false, [`lab ${LAB} 8080`]: true });
    start();
    await clear();
    await expectReach({ [`web ${API} 8080`]: true });
  });

  test('peers by label, by namespace, and ports by number, range and name', async () => {
    await policy('allow', {
      podSelector: { matchLabels: { app: 'api' } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: 'web' } } }],
          ports: [{ port: 'main' }, { port: '8085', endPort: 8095 }],
        },
        { from: [{ namespaceSelector: { matchLabels: { team: 'science' } } }], ports: [{ port: '8081' }] },
      ],
    });
    await expectReach({
      [`lab ${API} 8080`]: false,
      [`web ${API} 8080`]: true,
      [`web ${API} 8081`]: false,
      [`web ${API} 8090`]: true,
      [`web ${VIP} 80`]: true,
      [`lab ${VIP} 80`]: false,
      [`lab ${API} 8081`]: true,
      [`lab ${API} 8090`]: false,
      [`lab ${WEB} 8080`]: true,
    });
    // Labels change: of a pod, then of a namespace.
    const other = { type: 'merge', body: { metadata: { labels: { app: 'else' } } } } as const;
    await client.patch(KINDS.Pod, { namespace: 'shop', name: 'web' }, other);
    await expectReach({ [`web ${API} 8080`]: false, [`lab ${API} 8081`]: true });
    const back = { type: 'merge', body: { metadata: { labels: { app: 'web' } } } } as const;
    await client.patch(KINDS.Pod, { namespace: 'shop', name: 'web' }, back);
    await client.patch(
      KINDS.Namespace,
      { name: 'lab' },
      { type: 'merge', body: { metadata: { labels: { team: 'x' } } } },
    );
    await expectReach({ [`web ${API} 8080`]: true, [`lab ${API} 8081`]: false });
  });

  test('blocks of addresses with exceptions, and what a pod may begin', async () => {
    await policy('blocks', {
      podSelector: { matchLabels: { app: 'api' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.128/25'] } }] }],
      egress: [
        { to: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 'main' }] },
        { to: [{ ipBlock: { cidr: '10.231.7.13/32' } }], ports: [{ port: '8081' }] },
      ],
    });
    await expectReach({
      [`web ${API} 8080`]: false,
      [`outside ${API} 8080`]: true,
      [`outside%192.0.2.130 ${API} 8080`]: false,
      [`api ${WEB} 8080`]: true,
      [`api ${WEB} 8081`]: false,
      [`api ${LAB} 8081`]: true,
      [`api ${LAB} 8080`]: false,
      'api 192.0.2.2 8080': false,
      // To its own node always.
      'api 10.231.7.1 8080': true,
      'web 192.0.2.2 8080': true,
    });
  });

  test('a pod is guarded from its first packet on, before the cluster knows its address', async () => {
    await policy('deny', { podSelector: {}, policyTypes: ['Ingress'] });
    await expectReach({ [`web ${API} 8080`]: false });
    world.addPod('late', LATE);
    const made = await client.create(KINDS.Pod, podOf('shop', 'late'));
    await feature.podAttached?.({ pod: made, ips: [LATE] }, AbortSignal.timeout(5_000));
    await world.serve('late', 8080);
    expect(await world.reaches('web', LATE, 8080)).toBe(false);
    expect(await world.reaches('node', LATE, 8080)).toBe(true);
    // The address goes with the pod: whoever has it next is not guarded.
    await client.delete(KINDS.Pod, { namespace: 'shop', name: 'late' }, { gracePeriodSeconds: 0 });
    await expectReach({ [`web ${LATE} 8080`]: true });
    await clear();
    await waitFor('no rule to be left', () => !world.sh('node', 'nft list table ip skt').includes('drop'));
  });

  test('the kernel takes any plan, after any other', async () => {
    const table = new NftTable({ name: 'sktrandom', clock: systemClock, enter: world.enterNode });
    let before: PolicyPlan | undefined;
    await fc.assert(
      fc.asyncProperty(policyWorlds, async (state) => {
        const plan = planPolicies({ ...state, policies: state.policies.map(compilePolicy) });
        applyPlan(table, before, plan);
        before = plan;
        await table.commit(AbortSignal.timeout(2_000));
        const listed = world.sh('node', 'nft list table ip sktrandom');
        for (const name of [...plan.chains.keys(), ...plan.collections.keys()]) expect(listed).toContain(` ${name} {`);
        expect(listed.split('drop').length - 1).toBe([...plan.chains.keys()].filter((n) => n.includes('_any_')).length);
      }),
      { numRuns: 40 },
    );
  });
});

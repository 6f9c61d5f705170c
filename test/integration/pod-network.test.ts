/** Pods of all nodes reach each other as they are: by plain routes on a segment, through a tunnel beyond it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { AGENT_PORT, PodNetworkWorld, type TestNode, type TestPod, whyNoPodNetwork } from './pod-network-world.ts';

const why = whyNoPodNetwork();
const SOON = { timeoutMs: 8_000, everyMs: 30 };

describe.skipIf(why !== null)(`the pod network of three nodes${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let world: PodNetworkWorld;
  let [a, b, c] = [] as unknown as [TestNode, TestNode, TestNode];
  let [podA, podB, podC] = [] as unknown as [TestPod, TestPod, TestPod];

  beforeAll(async () => {
    world = await PodNetworkWorld.start();
    a = world.addNode('lan1', 11);
    b = world.addNode('lan1', 12);
    c = world.addNode('lan2', 13);
    // The strictest filter: what comes by another link than its answer would go is dropped.
    for (const node of world.nodes) node.sh('echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter');
    await Promise.all(world.nodes.map((node) => node.boot()));
    await Promise.all(world.nodes.map((node) => node.call('start')));
    await Promise.all(world.nodes.map((node) => node.call('listen')));
    [podA, podB, podC] = await Promise.all([a.pod(), b.pod(), c.pod()]);
    for (const pod of [podA, podB, podC]) await world.serve(pod, 80);
    await Promise.all(world.nodes.map((node) => node.call('run')));
    await world.tell();
    await settled();
  });
  afterAll(() => world?.close());

  /** Each machine says that it reaches all others. */
  const settled = async (nodes: readonly TestNode[] = world.nodes): Promise<void> => {
    for (const node of nodes) {
      const text = `True PeersReachable all ${nodes.length - 1} other ready nodes answer over the pod network`;
      await waitFor(
        `${node.name} to reach all others`,
        async () => (await node.condition()) === text || fail(await node.condition(), await node.call('problems')),
        SOON,
      );
    }
  };
  const fail = (...said: readonly unknown[]): never => {
    throw new Error(JSON.stringify(said));
  };

  test('pods reach pods on every node, with their own addresses', async () => {
    for (const from of [podA, podB, podC]) {
      for (const to of [podA, podB, podC])
        expect(await world.ask(from, to.ip, 80), `${from.ip} to ${to.ip}`).toBe(from.ip);
    }
  });

  test('by a route where the nodes share a segment, by VXLAN where they do not', () => {
    expect(a.routes()).toEqual([
      `10.42.2.0/24 via 192.0.2.12 dev eth0 src 10.42.1.1`,
      `10.42.3.0/24 via 10.42.3.1 dev ${a.prefix}vx src 10.42.1.1 onlink`,
      `10.43.0.0/16 dev ${a.prefix}0 scope link src 10.42.1.1`,
    ]);
    expect(c.routes().map((line) => line.split(' dev ')[0])).toEqual([
      '10.42.1.0/24 via 10.42.1.1',
      '10.42.2.0/24 via 10.42.2.1',
      '10.43.0.0/16',
    ]);
    expect(a.sh('ip route show type unreachable')).toContain('10.42.0.0/16');
    expect(a.sh(`bridge fdb show dev ${a.prefix}vx`).trim()).toBe('0a:53:0a:2a:03:01 dst 198.51.100.13 self permanent');
  });

  test('the node itself reaches them too, also by a service, from an address that pods can answer', async () => {
    expect(await world.ask(a, podB.ip, 80)).toBe('10.42.1.1');
    expect(await world.ask(a, podC.ip, 80)).toBe('10.42.1.1');
    a.sh(`nft -f - <<END
table ip services {
  chain output {
    type nat hook output priority -100
    ip daddr . tcp dport vmap { 10.43.0.7 . 80 : goto near, 10.43.0.8 . 80 : goto far }
  }
  chain near { ip protocol tcp dnat to ${podB.ip}:80
  }
  chain far { ip protocol tcp dnat to ${podC.ip}:80
  }
}
END`);
    expect(await world.ask(a, '10.43.0.7', 80)).toBe('10.42.1.1');
    expect(await world.ask(a, '10.43.0.8', 80)).toBe('10.42.1.1');
    a.sh('nft delete table ip services');
  });

  test('packets are as long as the way allows, and never too long for it', async () => {
    const link = (netns: string, name: string): string => world.sh(netns, `ip -o link show ${name}`);
    expect(link('n1p1', 'eth0')).toContain(' mtu 1500 ');
    expect(link('n1', `${a.prefix}vx`)).toContain(' mtu 1450 ');
    await world.count(podC, 81);
    await world.count(podB, 81);
    expect(await world.ask(podA, podC.ip, 81, { bytes: 2_000_000 })).toBe('2000000');
    expect(await world.ask(podA, podB.ip, 81, { bytes: 2_000_000 })).toBe('2000000');
    // 1422 bytes fit into the tunnel, 1423 do not: whoever forbids to cut them up is told.
    const send = (to: TestPod, bytes: number): string =>
      world.sh('n1p1', `head -c ${bytes} /dev/zero | socat -u - UDP:${to.ip}:9,ip-mtu-discover=2 2>&1 || true`);
    const learned = (to: TestPod): string => world.sh('n1p1', `ip route get ${to.ip}`);
    send(podC, 1422);
    expect(learned(podC)).not.toContain('mtu');
    await waitFor('the pod to learn what fits', () => {
      send(podC, 1423);
      return learned(podC).includes('mtu 1450');
    });
    send(podB, 1472);
    expect(learned(podB)).not.toContain('mtu');
    // Segments are agreed on to fit, whoever drops the news on the way.
    const counters = a.sh(`nft list chain ip ${a.prefix} vx_forward`);
    expect(counters).toContain('maxseg size set rt mtu');
  });

  test('others than nodes cannot send into the tunnel', async () => {
    const heard = (): number => Number(/RX:.*\n\s*\d+\s+(\d+)/.exec(a.sh(`ip -s link show ${a.prefix}vx`))?.[1]);
    const before = heard();
    // A frame for the node's own pod, from the router, which is no node.
    const frame = `\\010\\000\\000\\000\\000\\000\\123\\000\\012\\123\\012\\052\\001\\001\\012\\123\\012\\052\\003\\001\\010\\000`;
    const send = (name: string): string => world.sh(name, `printf '${frame}%060d' 0 | socat -u - UDP:${a.ip}:4789`);
    send('fabric');
    send('n3');
    await waitFor('the frame of a node', () => heard() > before, SOON);
    expect(heard()).toBe(before + 1);
  });

  test('what somebody removed comes back at once; what is not ours stays', async () => {
    a.sh('ip route add 10.42.77.0/24 via 192.0.2.12; ip route add 10.99.0.0/16 via 192.0.2.12 proto static');
    a.sh(`ip link del ${a.prefix}vx; ip route del 10.42.2.0/24`);
    await waitFor('the tunnel and the route', () => a.routes().length === 3, SOON);
    expect(await world.ask(podA, podC.ip, 80)).toBe(podA.ip);
    expect(a.sh('ip route')).toContain('10.42.77.0/24 via 192.0.2.12');
    expect(a.sh('ip route')).toContain('10.99.0.0/16 via 192.0.2.12');
  });

  test('a node that goes takes its routes along', async () => {
    await world.tell([a, b]);
    await waitFor('no way to the third', () => a.routes().length === 2 && b.routes().length === 2, SOON);
    await waitFor('no tunnel', () => !a.sh('ip link').includes(`${a.prefix}vx`), SOON);
    await settled([a, b]);
    expect(await world.ask(podA, podC.ip, 80)).toBe('');
    await world.tell();
    await settled();
  });

  test('a cut is said by the condition of both ends, with the node and the way', async () => {
    world.sh(
      'fabric',
      `nft 'add table ip cut; add chain ip cut f { type filter hook forward priority 0; }; add rule ip cut f udp dport 4789 ip daddr 198.51.100.13 drop'`,
    );
    await waitFor(
      'the cut to be told',
      async () => (await a.condition()).startsWith('False') && (await c.condition()).startsWith('False'),
      SOON,
    );
    expect(await a.condition()).toBe(
      `False PeersUnreachable cannot reach over the pod network: n3 at 10.42.3.1:${AGENT_PORT} by VXLAN to 198.51.100.13: no answer within 2 s`,
    );
    expect(await c.condition()).toContain(`n2 at 10.42.2.1:${AGENT_PORT} by VXLAN to 192.0.2.12`);
    world.sh('fabric', 'nft delete table ip cut');
    await settled();
  });

  test('a node that comes to the segment is reached by a route from then on', async () => {
    world.move(c, 'lan1', 14);
    await world.tell();
    await waitFor('routes', () => a.routes().includes('10.42.3.0/24 via 192.0.2.14 dev eth0 src 10.42.1.1'), SOON);
    await waitFor('routes back', () => c.routes().includes('10.42.1.0/24 via 192.0.2.11 dev eth0 src 10.42.3.1'), SOON);
    for (const node of world.nodes) {
      await waitFor('the tunnel to go', () => !node.sh('ip link').includes(`${node.prefix}vx`), SOON);
    }
    // Whoever changed first may have asked for the other's hardware address in vain; it asks again after a second.
    await waitFor('pods to reach each other', async () => (await world.ask(podC, podA.ip, 80)) === podC.ip, SOON);
    await settled();
    world.move(c, 'lan2', 13);
    await world.tell();
    await waitFor('the tunnel', () => a.routes().some((line) => line.includes('vx')), SOON);
    await settled();
    await waitFor('pods to reach each other', async () => (await world.ask(podC, podA.ip, 80)) === podC.ip, SOON);
  });

  test('a link below that carries less is followed', async () => {
    a.sh('ip link set eth0 mtu 1400');
    await waitFor('the tunnel to follow', () => a.sh(`ip -o link show ${a.prefix}vx`).includes(' mtu 1350 '), SOON);
    await a.pod();
    expect(world.sh('n1p2', 'ip -o link show eth0')).toContain(' mtu 1400 ');
    a.sh('ip link set eth0 mtu 1500');
    await waitFor(
      'the tunnel to follow back',
      () => a.sh(`ip -o link show ${a.prefix}vx`).includes(' mtu 1450 '),
      SOON,
    );
  });

  test('a route of somebody else in the way is told, not replaced', async () => {
    const stranger = { ...b.object(), metadata: { name: 'n77' }, spec: { podCIDR: '10.42.77.0/24' } };
    const address = { type: 'InternalIP', address: '192.0.2.77' };
    const fourth = { ...stranger, status: { addresses: [address] } };
    await a.call('problems');
    await a.call('nodes', [...world.nodes.map((node) => node.object()), fourth]);
    const said = await waitFor(
      'the problem',
      async () => {
        const problems = await a.call<readonly string[]>('problems');
        return problems.length > 0 && problems.join('\n');
      },
      SOON,
    );
    expect(said).toMatch(/Cannot route to the pods of other nodes: .*File exists/s);
    expect(a.sh('ip route show 10.42.77.0/24')).toContain('via 192.0.2.12');
    await world.tell();
  });

  test('an agent that starts again changes nothing; with another range, the node has only that one', async () => {
    const had = c.sh('ip link show; ip route; ip neigh show nud permanent');
    await c.end();
    expect(c.routes()).toHaveLength(3);
    const again = async (): Promise<void> => {
      await c.boot();
      await world.tell();
      for (const step of ['start', 'listen', 'run']) await c.call(step);
      await settled();
    };
    await again();
    expect(c.sh('ip link show; ip route; ip neigh show nud permanent')).toBe(had);
    await c.end();
    c.podCidr = '10.42.30.0/24';
    await again();
    const address = (await c.pod()).ip;
    expect(address).toMatch(/^10\.42\.30\./);
    expect(c.sh('ip route')).not.toContain('10.42.3.0/24');
    expect(a.sh('ip route show 10.42.3.0/24')).toBe('');
    expect(a.routes()).toContain(`10.42.30.0/24 via 10.42.30.1 dev ${a.prefix}vx src 10.42.1.1 onlink`);
  });

  test("a user's own network gets no routes of ours, and we come back when it goes", async () => {
    const folder = join(b.root, 'etc/cni/net.d');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '10-mine.conflist'), JSON.stringify({ name: 'mine', plugins: [{ type: 'ptp' }] }));
    await waitFor('no routes', () => b.routes().length === 0 && !b.sh('ip link').includes(`${b.prefix}vx`), SOON);
    rmSync(folder, { recursive: true });
    await waitFor('routes', () => b.routes().length === 3, SOON);
  });

  test('ranges that the machine uses for something else are refused at the start', async () => {
    b.sh('ip link add other type bridge; ip addr add 10.42.9.1/24 dev other; ip link set other up');
    await expect(b.call('start')).rejects.toThrow(
      "Cannot ready the node's network: the pod range 10.42.0.0/16 overlaps 10.42.9.0/24 of other (another range: option --cluster-cidr of the server)",
    );
    b.sh('ip addr flush dev other; ip addr add 10.0.0.1/8 dev other');
    await expect(b.call('start')).rejects.toThrow(
      'the service range 10.43.0.0/16 overlaps 10.0.0.0/8 of other (another range: option --service-cidr of the server)',
    );
    b.sh('ip link del other');
    await b.call('start');
  });

  test('taken down, a node keeps nothing of it but what is not ours', async () => {
    await a.call('stop');
    expect(a.routes()).toHaveLength(3);
    await a.call('teardown');
    expect(a.routes()).toEqual([]);
    expect(a.sh('ip link')).not.toContain(`${a.prefix}vx`);
    expect(a.sh('ip route')).toContain('10.42.77.0/24 via 192.0.2.12');
  });
});

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { FakeClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { REMOVED_ANNOTATION } from '../../lib/node-removal.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { waitFor } from '../../test/harness/wait.ts';
import type { Machine } from './machine.ts';
import { readMachine } from './machine.ts';
import { LEASE_NAMESPACE, renewNodeLease } from './node-lease.ts';
import { type NodeHealth, type NodeReport, nodeResources, nodeStatus, statusDiffers } from './node-object.ts';
import { NodeReporter } from './node-reporter.ts';

const MACHINE: Machine = {
  cpuCount: 4,
  memoryBytes: 4 * 1024 ** 3,
  diskBytes: 1000,
  architecture: 'arm64',
  kernelVersion: '6.1',
  osImage: 'Debian',
  machineID: 'm',
  systemUUID: 's',
  bootID: 'b',
};
const WELL: NodeHealth = { notReady: null, memoryPressure: false, diskPressure: false, pidPressure: false };

function report(change: Partial<NodeReport> = {}): NodeReport {
  return {
    name: 'pi',
    machine: MACHINE,
    addresses: ['192.168.1.2'],
    port: 7450,
    podCidr: '10.42.0.0/24',
    maxPods: 110,
    reserved: { cpuMilli: 0, memoryBytes: 0 },
    runtimeVersion: 'crun://1.8.1',
    agentVersion: 'v1',
    labels: {},
    images: [],
    health: WELL,
    ...change,
  };
}

const conditionOf = (status: corev1.NodeStatus | undefined, type: string): corev1.NodeCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

describe('the Node object', () => {
  test('says what the machine has and what pods may ask for', () => {
    expect(nodeResources(report({ reserved: { cpuMilli: 250, memoryBytes: 1024 ** 3 } }))).toEqual({
      capacity: { cpu: '4', memory: '4194304Ki', 'ephemeral-storage': '1000', pods: '110' },
      allocatable: { cpu: '3750m', memory: '3145728Ki', 'ephemeral-storage': '1000', pods: '110' },
    });
  });

  test('is ready with Kubernetes’ reasons', () => {
    const status = nodeStatus(report(), undefined, 0);
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady' });
    expect(conditionOf(status, 'MemoryPressure')).toMatchObject({
      status: 'False',
      reason: 'KubeletHasSufficientMemory',
    });
    expect(status.nodeInfo).toMatchObject({
      containerRuntimeVersion: 'crun://1.8.1',
      architecture: 'arm64',
      operatingSystem: 'linux',
    });
    expect(status.addresses).toEqual([
      { type: 'InternalIP', address: '192.168.1.2' },
      { type: 'Hostname', address: 'pi' },
    ]);
    expect(status.daemonEndpoints).toEqual({ kubeletEndpoint: { Port: 7450 } });
  });

  test('says why it is not', () => {
    const status = nodeStatus(report({ health: { ...WELL, notReady: 'no bridge', diskPressure: true } }), undefined, 0);
    expect(conditionOf(status, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'KubeletNotReady',
      message: 'no bridge',
    });
    expect(conditionOf(status, 'DiskPressure')).toMatchObject({ status: 'True', reason: 'KubeletHasDiskPressure' });
  });

  test('keeps transition times and the conditions of others; a heartbeat alone is no difference', () => {
    const first = nodeStatus(report(), { conditions: [{ type: 'Theirs', status: 'True' }] }, 0);
    const second = nodeStatus(report(), first, 60_000);
    expect(conditionOf(second, 'Ready')).toMatchObject({
      lastTransitionTime: '1970-01-01T00:00:00Z',
      lastHeartbeatTime: '1970-01-01T00:01:00Z',
    });
    expect(conditionOf(second, 'Theirs')).toEqual({ type: 'Theirs', status: 'True' });
    expect(statusDiffers(first, second)).toBe(false);
    expect(statusDiffers(second, nodeStatus(report({ health: { ...WELL, notReady: 'x' } }), second, 0))).toBe(true);
  });

  test('is read from this machine', () => {
    const machine = readMachine('/');
    expect(machine.memoryBytes).toBeGreaterThan(0);
    expect(machine.diskBytes).toBeGreaterThan(0);
    expect(machine.bootID).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('a node at the API', () => {
  let clock: FakeClock;
  let api: MemoryResourceClient;
  let stop: AbortController;
  let running: Promise<unknown>;
  let health: NodeHealth;
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

  beforeEach(() => {
    clock = new FakeClock();
    api = new MemoryResourceClient({ clock });
    stop = new AbortController();
    health = WELL;
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  function begin(): NodeReporter {
    const reporter = new NodeReporter({ client: api, clock, log, name: 'pi', report: async () => report({ health }) });
    running = reporter.run(stop.signal);
    return reporter;
  }
  const node = (): corev1.Node | undefined => api.peek(KINDS.Node)[0];

  test('registers itself with its labels and is Ready at once', async () => {
    await begin().registered;
    expect(node()?.metadata?.labels).toEqual({
      'kubernetes.io/arch': 'arm64',
      'kubernetes.io/hostname': 'pi',
      'kubernetes.io/os': 'linux',
    });
    expect(node()?.spec).toMatchObject({ podCIDR: '10.42.0.0/24' });
    expect(conditionOf(node()?.status, 'Ready')?.status).toBe('True');
  });

  test('takes an existing Node over and keeps what an operator set', async () => {
    await api.create(KINDS.Node, { metadata: { name: 'pi', labels: { disk: 'ssd' } }, spec: { unschedulable: true } });
    await begin().registered;
    expect(node()?.metadata?.labels).toMatchObject({ disk: 'ssd', 'kubernetes.io/os': 'linux' });
    expect(node()?.spec).toMatchObject({ unschedulable: true, podCIDR: '10.42.0.0/24' });
  });

  test('reports a change at its next look, corrects what others wrote, and comes back when removed', async () => {
    await begin().registered;
    health = { ...WELL, notReady: 'no bridge' };
    await waitFor('the change', async () => {
      await clock.advance(1000);
      return conditionOf(node()?.status, 'Ready')?.status === 'False';
    });
    health = WELL;
    const unknown = (node()?.status?.conditions ?? []).map((c) =>
      c.type === 'Ready' ? { ...c, status: 'Unknown' } : c,
    );
    await api.update(
      KINDS.Node,
      { ...node(), status: { ...node()?.status, conditions: unknown } },
      { subresource: 'status' },
    );
    await waitFor('the correction', () => conditionOf(node()?.status, 'Ready')?.status === 'True');
    await api.delete(KINDS.Node, { name: 'pi' });
    await waitFor('the return', () => conditionOf(node()?.status, 'Ready')?.status === 'True');
  });

  test('stays away when it was removed for good, until its Node is made anew', async () => {
    await begin().registered;
    const removed = { ...node()?.metadata, annotations: { [REMOVED_ANNOTATION]: '2026-01-01T00:00:00Z' } };
    await api.update(KINDS.Node, { ...node(), metadata: removed });
    await api.delete(KINDS.Node, { name: 'pi' });
    await clock.advance(60_000);
    expect(node()).toBeUndefined();
    await api.create(KINDS.Node, { metadata: { name: 'pi' } });
    await waitFor('its status', async () => {
      await clock.advance(1000);
      return conditionOf(node()?.status, 'Ready')?.status === 'True';
    });
  });

  test('writes nothing while nothing changes, but once in five minutes', async () => {
    await begin().registered;
    const before = api.resourceVersion;
    await clock.advance(200_000);
    expect(api.resourceVersion).toBe(before);
    await clock.advance(150_000);
    expect(api.resourceVersion).not.toBe(before);
  });

  test('its lease is renewed, and again after the server was away', async () => {
    let recovered = 0;
    running = renewNodeLease(
      {
        client: api,
        clock,
        log,
        node: 'pi',
        owner: () => undefined,
        onRecovered: () => (recovered += 1),
        renewEveryMs: 3000,
        durationSeconds: 10,
      },
      stop.signal,
    );
    const renewTime = (): string | undefined => api.peek(KINDS.Lease)[0]?.spec?.renewTime;
    await clock.advance(0);
    expect(api.peek(KINDS.Lease)[0]).toMatchObject({
      metadata: { namespace: LEASE_NAMESPACE, name: 'pi' },
      spec: { holderIdentity: 'pi', leaseDurationSeconds: 10 },
    });
    const first = renewTime();
    await clock.advance(3000);
    const second = renewTime();
    expect(second).not.toBe(first);
    const undo = api.intercept(() => {
      throw new ApiError('ServiceUnavailable', 'away');
    });
    await clock.advance(9000);
    expect(renewTime()).toBe(second);
    undo();
    await clock.advance(1000);
    const third = renewTime();
    expect(third).not.toBe(second);
    expect(recovered).toBe(1);
    // A connection that swallows everything: the next try does not wait for it for long.
    const update = api.update.bind(api);
    api.update = (_type, _object, options) =>
      new Promise((_, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error));
      });
    await clock.advance(4000);
    api.update = update;
    await clock.advance(6000);
    expect(renewTime()).not.toBe(third);
  });
});

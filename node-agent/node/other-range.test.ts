import { expect, test } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { ApiError } from '../../lib/errors.ts';
import { type corev1, KINDS, type KubeObject } from '../../proto/index.ts';
import { NodeReporter } from './node-reporter.ts';

test('a node whose range is another one’s by now registers with the one it is given, and says so', async () => {
  const client = new MemoryResourceClient();
  const create = client.create.bind(client);
  // What the server does: refuses a range that is taken, gives one to who asks for none.
  const asked: (string | undefined)[] = [];
  client.create = ((type, object: KubeObject, options) => {
    const { spec } = object as corev1.Node;
    asked.push(spec?.podCIDR);
    if (spec?.podCIDR !== undefined) throw new ApiError('Invalid', 'spec.podCIDR: Node other has 10.42.0.0/24');
    return create(type, { ...object, spec: { podCIDR: '10.42.7.0/24' } } as never, options);
  }) as typeof client.create;
  const stop = new AbortController();
  const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const other = new Promise<string>((resolve) => {
    const reporter = new NodeReporter({
      client,
      clock: { now: Date.now, monotonicMs: () => performance.now(), setTimer: () => () => undefined },
      log: quiet,
      name: 'pi',
      report: () =>
        Promise.resolve({
          name: 'pi',
          machine: {
            cpuCount: 1,
            memoryBytes: 1024,
            diskBytes: 1024,
            architecture: 'arm64',
            kernelVersion: '6.1',
            osImage: 'Debian',
            machineID: 'm',
            systemUUID: 's',
            bootID: 'b',
          },
          addresses: ['192.0.2.2'],
          port: 7450,
          podCidr: '10.42.0.0/24',
          maxPods: 110,
          reserved: { cpuMilli: 0, memoryBytes: 0 },
          runtimeVersion: 'crun://1',
          agentVersion: 'v1',
          labels: {},
          images: [],
          health: { notReady: null, memoryPressure: false, diskPressure: false, pidPressure: false },
        }),
      onOtherRange: resolve,
    });
    void reporter.run(stop.signal);
  });
  expect(await other).toBe('10.42.7.0/24');
  expect(asked).toEqual(['10.42.0.0/24', undefined]);
  expect(client.peek(KINDS.Node)[0]?.spec?.podCIDR).toBe('10.42.7.0/24');
  stop.abort();
});

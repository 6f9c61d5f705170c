/**
 * Where the time of a pod's start goes: with `--trace-file`, each call through a port that concerns a pod is timed and written as a
 * line of JSON, `{"atMs","step","durationMs","uid"}`, `atMs` being the end. Without it nothing here runs.
 */
import { createWriteStream } from 'node:fs';
import type { ResourceClient } from '../lib/client/resource-client.ts';
import type { KubeObject } from '../proto/index.ts';
import type { ImageStore } from './images/image-store.ts';
import type { PodNetwork } from './network/pod-network.ts';
import type { Runtime, StepListener } from './runtime/runtime.ts';

/** The ports whose calls are traced. */
export interface TracedPorts {
  readonly client: ResourceClient;
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly images: ImageStore;
}

/** A listener that appends each step to `file`. */
export function fileTrace(file: string): StepListener {
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  // A full disk must not end the agent for the sake of its trace.
  stream.on('error', () => undefined);
  return (step, durationMs, uid) => {
    const atMs = performance.timeOrigin + performance.now();
    stream.write(`${JSON.stringify({ atMs, step, durationMs, uid })}\n`);
  };
}

/** The same ports, telling `onStep` how long each call took. Their own steps inside a call are theirs to tell. */
export function tracePorts(ports: TracedPorts, onStep: StepListener): TracedPorts {
  const seen = new Set<string>();
  const client = timed(ports.client, onStep, { update: ([, object]) => uidOf(object) });
  const watch = ports.client.watch.bind(ports.client);
  const tracedWatch: ResourceClient['watch'] = async function* tracedWatch(type, version, options) {
    for await (const events of watch(type, version, options)) {
      for (const event of events) {
        const uid = event.type === 'BOOKMARK' || type.kind !== 'Pod' ? '' : uidOf(event.object);
        if (uid !== '' && !seen.has(uid)) onStep('pod seen', 0, uid);
        seen.add(uid);
      }
      yield events;
    }
  };
  return {
    client: replaced(client, 'watch', tracedWatch),
    runtime: timed(ports.runtime, onStep, {
      createSandbox: ([config]) => field(config, 'podUid'),
      createContainer: ([config]) => field(config, 'podUid'),
      startContainer: ([id]) => podOf(id),
      removeContainer: ([id]) => podOf(id),
      removeSandbox: ([uid]) => String(uid),
    }),
    network: timed(ports.network, onStep, {
      setup: ([request]) => field(request, 'podUid'),
      teardown: ([uid]) => String(uid),
    }),
    images: timed(ports.images, onStep, {
      mountRootfs: ([, id]) => podOf(id),
      unmountRootfs: ([id]) => podOf(id),
    }),
  };
}

type UidOf = (args: readonly unknown[]) => string;

/** `target` with these methods timed; everything else goes through untouched. */
function timed<T extends object>(target: T, onStep: StepListener, methods: Readonly<Record<string, UidOf>>): T {
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key, object);
      if (typeof value !== 'function') return value;
      const uid = typeof key === 'string' && Object.hasOwn(methods, key) ? methods[key] : undefined;
      if (uid === undefined) return value.bind(object) as unknown;
      return async (...args: readonly unknown[]): Promise<unknown> => {
        const started = performance.now();
        try {
          return (await Reflect.apply(value, object, args)) as unknown;
        } finally {
          onStep(String(key), performance.now() - started, uid(args));
        }
      };
    },
  });
}

function replaced<T extends object, K extends keyof T>(target: T, name: K, by: T[K]): T {
  return new Proxy(target, {
    get: (object, key) => (key === name ? by : (Reflect.get(object, key, object) as unknown)),
  });
}

function uidOf(object: unknown): string {
  return (object as KubeObject | undefined)?.metadata?.uid ?? '';
}

function field(value: unknown, name: string): string {
  const found = (value as Readonly<Record<string, unknown>>)[name];
  return typeof found === 'string' ? found : '';
}

/** Ids of containers begin with their pod's uid. */
function podOf(id: unknown): string {
  return String(id).slice(0, 36);
}

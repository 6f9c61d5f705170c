/**
 * A process of its own around the runtime and the pod network, for tests that kill it or run it in another network
 * namespace. Reads `{"id", "target", "method", "args"}` as JSON lines, answers `{"id", "result"}` or `{"id", "error"}`.
 */
import { createInterface } from 'node:readline';
import { CgroupTree } from '../../node-agent/cgroups/cgroup-tree.ts';
import { createCniNetwork } from '../../node-agent/network/cni-network.ts';
import { ConmonCrunRuntime } from '../../node-agent/runtime/conmon-crun/conmon-crun-runtime.ts';

interface Call {
  readonly id: number;
  readonly target: 'runtime' | 'network';
  readonly method: string;
  readonly args: readonly unknown[];
}

const { root, cgroupRoot, network: networkOptions } = JSON.parse(process.argv[2] ?? '{}');
const runtime = new ConmonCrunRuntime({ root, cgroups: new CgroupTree(cgroupRoot) });
const network = networkOptions === undefined ? null : createCniNetwork({ root, ...networkOptions });
const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

async function answer(call: Call): Promise<void> {
  const target = (call.target === 'runtime' ? runtime : network) as Record<string, unknown> | null;
  const method = target?.[call.method];
  if (typeof method !== 'function') {
    throw new Error(`no method ${call.target}.${call.method}`);
  }
  const args = call.method === 'sweep' ? [new Set(call.args[0] as string[])] : call.args;
  say({ id: call.id, result: (await method.apply(target, args)) ?? null });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const call: Call = JSON.parse(line);
  answer(call).catch((err: unknown) => {
    const error =
      err instanceof Error
        ? { message: err.message, ...('code' in err ? { code: err.code } : {}) }
        : { message: String(err) };
    say({ id: call.id, error });
  });
});
say({ id: 0, result: 'ready' });

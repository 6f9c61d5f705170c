/**
 * A cluster of several machines on this one: each a world of its own (network namespace, root, cgroup tree, link names), joined by
 * a switch. The first is brought up by `skiff up`; the others join by the very line that `skiff token create` prints.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { signalProcess } from '../../lib/process.ts';
import { type CommandResult, TestCluster } from './cluster.ts';
import { TestSwitch } from './switch.ts';
import { waitFor } from './wait.ts';

export type { Cut } from './switch.ts';

/** What is to be made. */
export interface MachinesOptions {
  /** How many machines; 3 unless given. The first runs the control plane. */
  readonly machines?: number;
  /** How many machines each segment has, when they are not all on one: segments reach each other through a router only. */
  readonly segments?: readonly number[];
  /** How many more can be added later, on the last segment. */
  readonly spare?: number;
  /** Further options of `skiff up` on the first machine. */
  readonly upArgs?: readonly string[];
  /** Further options of `skiff join` on the others. */
  readonly joinArgs?: readonly string[];
}

/** See the top of the file. */
export class TestMachines {
  readonly switch: TestSwitch;
  /** Every machine, by place: the first runs the control plane. Machines that left stay in the list. */
  readonly all: TestCluster[] = [];
  readonly #joinArgs: readonly string[];

  private constructor(wires: TestSwitch, joinArgs: readonly string[]) {
    this.switch = wires;
    this.#joinArgs = joinArgs;
  }

  /** Makes the machines and waits until all are Ready nodes: `node-1`, `node-2`, … */
  static async start(options: MachinesOptions = {}): Promise<TestMachines> {
    const segments = options.segments ?? [options.machines ?? 3];
    const count = segments.reduce((sum, one) => sum + one, 0);
    const made = new TestMachines(
      TestSwitch.make(segments.with(-1, (segments.at(-1) ?? 0) + (options.spare ?? 0))),
      options.joinArgs ?? [],
    );
    try {
      made.all.push(
        await TestCluster.start({
          connect: (netns) => made.switch.connect(0, netns),
          ...(options.upArgs === undefined ? {} : { upArgs: options.upArgs }),
          begin: (cluster) => {
            giveMachineId(cluster);
            return cluster.up(options.upArgs);
          },
        }),
      );
      const line = await made.joinLine();
      const others = Array.from({ length: count - 1 }, (_, at) => made.#startOther(at + 1, line));
      const results = await Promise.allSettled(others);
      for (const result of results) {
        if (result.status === 'fulfilled') made.all.push(result.value);
      }
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } catch (err) {
      const logs = made.all.map((machine) => machine.logs()).join('\n');
      await made.stop().catch(() => {});
      throw new Error(`the machines did not come together: ${String(err)}\n${logs}`, { cause: err });
    }
    return made;
  }

  /** The machine that runs the control plane; commands of the cluster's user run here. */
  get server(): TestCluster {
    return this.machine(0);
  }

  /** The machine at a place, from 0: `node-<index + 1>`. */
  machine(index: number): TestCluster {
    const found = this.all[index];
    if (found === undefined) throw new Error(`there is no machine ${index}`);
    return found;
  }

  /** Address of a machine on its segment. */
  address(index: number): string {
    return this.switch.address(index);
  }

  /** A fresh line, as `skiff token create` prints it: the words after `skiff`. */
  async joinLine(...args: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await this.server.ok(['token', 'create', ...args]);
    const words = stdout.trim().split(' ');
    if (words.shift() !== 'skiff') throw new Error(`skiff token create printed: ${stdout}`);
    return words;
  }

  /** One more machine, joined over its cable as it is. It takes the next place. */
  async add(): Promise<TestCluster> {
    const added = await this.#startOther(this.all.length, await this.joinLine());
    this.all.push(added);
    return added;
  }

  /** Joins a machine by a line (again). */
  join(machine: TestCluster, line: readonly string[], ...args: readonly string[]): Promise<CommandResult> {
    const named = ['--node-name', machine.nodeName, ...machine.world];
    return machine.skiff([...line, ...named, ...this.#joinArgs, ...args], { timeoutMs: 120_000 });
  }

  /** Cuts a machine off, one way or both; nothing is told to either side. */
  cut(index: number, way: 'both' | 'in' | 'out' = 'both'): void {
    this.switch.cut(index, way);
  }

  /** Connects it again. */
  heal(index: number): void {
    this.switch.heal(index);
  }

  /** Ends the agent of a machine as a crash does; its keeper starts another. */
  killAgent(index: number): void {
    const agent = this.machine(index).process('agent');
    if (agent === undefined) throw new Error(`no agent runs on machine ${index}`);
    signalProcess(agent, 'SIGKILL');
  }

  /** Loads an image archive on every machine. */
  async load(archive: string): Promise<void> {
    await Promise.all(
      this.all.map((machine) =>
        machine.ok(['image', 'load', archive, '--socket', machine.path('run/skiff/agent.sock')]),
      ),
    );
  }

  /** Waits until the nodes of exactly these names are Ready. */
  async untilReady(...names: readonly string[]): Promise<void> {
    await waitFor(`nodes ${names.join(', ')} to be Ready`, async () => {
      const { stdout } = await this.server.ok(['get', 'nodes', '--no-headers']);
      const ready = stdout.split('\n').map((line) => line.split(/ +/));
      const found = ready.filter(([, status]) => status === 'Ready').map(([name]) => name ?? '');
      if (found.length === names.length && names.every((name) => found.includes(name))) return true;
      throw new Error(stdout);
    });
  }

  /** The others leave, the first goes down, the switch is removed; throws with everything that stayed. */
  async stop(): Promise<void> {
    const [server, ...others] = this.all;
    const results = await Promise.allSettled(others.map((machine) => machine.stop()));
    results.push(...(await Promise.allSettled([server?.stop()])));
    this.switch.remove();
    const problems = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  #startOther(index: number, line: readonly string[]): Promise<TestCluster> {
    return TestCluster.start({
      nodeName: `node-${index + 1}`,
      end: 'leave',
      connect: (netns) => this.switch.connect(index, netns),
      begin: async (machine) => {
        giveMachineId(machine);
        const { code, stdout, stderr } = await this.join(machine, line);
        if (code !== 0) throw new Error(`skiff ${line[0]} ended with ${code}\n${stderr}${stdout}`);
      },
    });
  }
}

/** Machines have ids of their own, and keep them. */
function giveMachineId(machine: TestCluster): void {
  mkdirSync(machine.path('etc'), { recursive: true });
  writeFileSync(machine.path('etc/machine-id'), `${Buffer.from(machine.run.id.padEnd(16, '.')).toString('hex')}\n`);
}

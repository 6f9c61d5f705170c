/**
 * A switch for machines that are network namespaces: a namespace with one bridge per segment, a cable to each machine, and a table
 * of its own by which a cable is cut. Between segments it routes; there is no way out of it.
 */
import { execFileSync } from 'node:child_process';
import { forgetRun, newRun, type TestRun } from './run.ts';
import { netnsName, removeTraces } from './traces.ts';

/** Which way of a cable is cut: what the machine sends is lost (`out`), what is sent to it (`in`), or both. */
export type Cut = 'both' | 'in' | 'out';

const TABLE = 'cuts';
/** Of the packets on a cable that is worn, each way. */
const LOST_PERCENT = 20;

/** See the top of the file. */
export class TestSwitch {
  readonly netns: string;
  readonly #run: TestRun;
  readonly #segments: readonly number[];

  private constructor(run: TestRun, segments: readonly number[]) {
    this.#run = run;
    this.netns = netnsName(run);
    this.#segments = segments;
  }

  /** A switch with this many machines on each segment. */
  static make(segments: readonly number[]): TestSwitch {
    const made = new TestSwitch(newRun(), segments);
    execFileSync('ip', ['netns', 'add', made.netns]);
    try {
      const lines = segments.flatMap((_, segment) => [
        `ip link add br${segment} type bridge forward_delay 0`,
        `ip addr add ${made.#gateway(segment)}/24 dev br${segment}`,
        `ip link set br${segment} up`,
      ]);
      made.#inside(`ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; ${lines.join('; ')}`);
      made.#nft(
        `table bridge ${TABLE} {
          set sends { type ifname; }
          set hears { type ifname; }
          set lossy { type ifname; }
          set swallowed { typeof iifname . tcp dport; }
          chain from {
            type filter hook prerouting priority -300;
            iifname @sends drop; iifname @lossy numgen random mod 100 < ${LOST_PERCENT} drop; iifname . tcp sport @swallowed drop;
          }
          chain to {
            type filter hook postrouting priority 300;
            oifname @hears drop; oifname @lossy numgen random mod 100 < ${LOST_PERCENT} drop; oifname . tcp dport @swallowed drop;
          }
        }`,
      );
    } catch (err) {
      made.remove();
      throw err;
    }
    return made;
  }

  /** Address of machine `index` (from 0). */
  address(index: number): string {
    const { segment, place } = this.#placeOf(index);
    return `10.99.${segment}.${place + 1}`;
  }

  /** Puts a cable between the switch and the namespace of machine `index`, as its `eth0`. */
  connect(index: number, netns: string): void {
    const { segment } = this.#placeOf(index);
    const port = this.#port(index);
    const inside = `ip addr add ${this.address(index)}/24 dev eth0; ip link set eth0 up; ip route add default via ${this.#gateway(segment)}`;
    this.#inside(
      `ip link add ${port} type veth peer name eth0 netns ${netns}; ip link set ${port} master br${segment}; ip link set ${port} up`,
    );
    execFileSync('nsenter', [`--net=/run/netns/${netns}`, 'sh', '-ec', inside], { stdio: 'pipe' });
  }

  /** Cuts the cable of a machine; once more to cut another way: at no time in between is it whole. */
  cut(index: number, way: Cut = 'both'): void {
    const whole = ['sends', 'hears'].map((set) => this.#out(set, this.#port(index)));
    const sends = way === 'in' ? [] : [`add element bridge ${TABLE} sends { ${this.#port(index)} }`];
    const hears = way === 'out' ? [] : [`add element bridge ${TABLE} hears { ${this.#port(index)} }`];
    this.#nft([...whole, ...sends, ...hears].join('\n'));
  }

  /** Wears the cable of a machine: a fifth of the packets is lost, each way. */
  wear(index: number): void {
    this.#nft(`add element bridge ${TABLE} lossy { ${this.#port(index)} }`);
  }

  /** Loses everything from and to these TCP ports of a machine, and tells nobody: its connections from there are dead, others are not. */
  swallow(index: number, ports: readonly number[]): void {
    const elements = ports.map((port) => `${this.#port(index)} . ${port}`);
    this.#nft(`add element bridge ${TABLE} swallowed { ${elements.join(', ')} }`);
  }

  /** Mends the cable of a machine. What is swallowed stays so. */
  heal(index: number): void {
    this.#nft(['sends', 'hears', 'lossy'].map((set) => this.#out(set, this.#port(index))).join('\n'));
  }

  /** Pulls or plugs the cable of a machine: its link goes down or up. */
  plug(index: number, plugged: boolean): void {
    this.#inside(`ip link set ${this.#port(index)} ${plugged ? 'up' : 'down'}`);
  }

  /** Removes the switch and everything in it. */
  remove(): void {
    execFileSync('ip', ['netns', 'del', this.netns]);
    removeTraces(this.#run);
    forgetRun(this.#run);
  }

  #placeOf(index: number): { readonly segment: number; readonly place: number } {
    let place = index;
    for (const [segment, count] of this.#segments.entries()) {
      if (place < count) return { segment, place };
      place -= count;
    }
    throw new Error(`the switch has no place for machine ${index}`);
  }

  #gateway(segment: number): string {
    return `10.99.${segment}.254`;
  }

  #port(index: number): string {
    return `port${index}`;
  }

  /** Takes an element out of a set. Adding first: taking out what is not there is an error. */
  #out(set: string, element: string): string {
    const what = `element bridge ${TABLE} ${set} { ${element} }`;
    return `add ${what}\ndelete ${what}`;
  }

  #inside(script: string): void {
    execFileSync('nsenter', [`--net=/run/netns/${this.netns}`, 'sh', '-ec', script], { stdio: 'pipe' });
  }

  #nft(text: string): void {
    execFileSync('nsenter', [`--net=/run/netns/${this.netns}`, 'nft', '-f', '-'], {
      input: `${text}\n`,
      stdio: 'pipe',
    });
  }
}

import { errorMessage } from '../../lib/errors.ts';
import { run } from '../../lib/exec.ts';

const TIMEOUT_MS = 10_000;

/**
 * $1 the bridge. A node without one of ours needs nothing. Where the kernel shows packets of all bridges to the rules already,
 * nothing is to be done; else that is set on our bridge alone, so that bridges of others stay as they are.
 */
const SCRIPT = `set -e
[ -e "/proc/sys/net/ipv4/conf/$1" ] || exit 0
[ -e /proc/sys/net/bridge ] || modprobe br_netfilter
[ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)" = 1 ] || ip link set dev "$1" type bridge nf_call_iptables 1`;

/**
 * Has the kernel show packets between two ports of our bridge to our rules: without that, pods of one node would reach each
 * other past every policy. Idempotent; resolves with why it cannot be done, or undefined. `enter` goes before the program, such
 * as `nsenter --net=…`.
 */
export async function filterBridge(bridge: string, enter: readonly string[] = []): Promise<string | undefined> {
  const script = ['sh', '-c', SCRIPT, 'sh', bridge];
  try {
    const [program = '', ...argv]: readonly string[] = [...enter, ...script];
    await run(program, argv, { timeoutMs: TIMEOUT_MS });
    return undefined;
  } catch (err) {
    return `pods of this node reach each other past network policies: the bridge ${bridge} cannot be filtered (kernel module br_netfilter): ${errorMessage(err)}`;
  }
}

/** postStart and preStop. */
import { type Clock, sleep } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import { httpGet, type ProbeTarget, runExec } from '../probes/run-probe.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** A hook has no timeout of its own: the grace period, or the pod's end, stops it. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/** Runs a hook to its end; rejects with what went wrong, or when `signal` aborts. */
export async function runHook(
  handler: corev1.LifecycleHandler,
  target: ProbeTarget,
  options: { readonly runtime: Runtime; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const limits = { timeoutMs: NO_TIMEOUT_MS, signal: options.signal };
  if (handler.exec !== undefined) {
    const result = await runExec(options.runtime, target, handler.exec, limits);
    if (!result.ok) {
      const command = JSON.stringify((handler.exec.command ?? []).join(' '));
      throw new Error(`command ${command} failed: ${result.message.trim()}`);
    }
  } else if (handler.httpGet !== undefined) {
    const result = await httpGet(target, handler.httpGet, limits);
    if (!result.ok) throw new Error(result.message);
  } else if (handler.sleep !== undefined) {
    await sleep(options.clock, (handler.sleep.seconds ?? 0) * 1000, options.signal);
  } else if (handler.tcpSocket !== undefined) {
    throw new Error('tcpSocket hooks are not supported');
  }
  options.signal.throwIfAborted();
}

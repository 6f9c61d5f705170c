/** Waiting until a program that was started does what it is there for. */
import { errorMessage } from '../../lib/errors.ts';
import { CliError } from '../errors/cli-error.ts';
import type { LocalCluster } from './cluster-options.ts';
import type { KeptName } from './kept-process.ts';
import { isKept, programLog, programPid } from './programs.ts';

/** How long one step may take before it counts as failed. A small board with a slow card needs some of it. */
const STEP_TIMEOUT_MS = 180_000;
const POLL_MS = 50;
/** A program that was started this often without success says why in its log; waiting longer tells nothing more. */
const MOST_STARTS = 4;

/** Asks `probe` until it returns undefined; what it returns or throws is why not yet. Throws a {@link CliError} with the log's end. */
export async function awaitProgram(
  cluster: LocalCluster,
  name: KeptName,
  signal: AbortSignal,
  probe: () => Promise<string | undefined>,
): Promise<void> {
  const deadline = Date.now() + STEP_TIMEOUT_MS;
  const pids = new Set<number>();
  for (;;) {
    let why: string | undefined;
    try {
      why = await probe();
      if (why === undefined) return;
    } catch (err) {
      why = errorMessage(err);
    }
    signal.throwIfAborted();
    if (!isKept(cluster, name)) throw failure(cluster, name, 'it ended');
    const pid = programPid(cluster, name);
    if (pid !== undefined) pids.add(pid);
    if (pids.size >= MOST_STARTS) throw failure(cluster, name, 'it keeps ending');
    if (Date.now() > deadline) {
      throw failure(cluster, name, `after ${STEP_TIMEOUT_MS / 1000} s ${pid === undefined ? 'it keeps ending' : why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function failure(cluster: LocalCluster, name: KeptName, because: string): CliError {
  const { where, tail } = programLog(cluster, name);
  // What a program says last when it gives up is meant for people; the rest of the log is for who looks further.
  const said = tail
    .split('\n')
    .findLast((line) => line.startsWith('error: '))
    ?.slice('error: '.length);
  return new CliError(`Cannot start the ${name}: ${because}${said === undefined ? '' : `: ${said}`}`, {
    hint: `The end of ${where}:\n${tail === '' ? '(empty)' : tail}`,
  });
}

import type { ApiClient, DeletionFlags, ResourceTarget } from '../api/api-client.ts';
import { deadlineSignal, followObject } from '../api/follow-object.ts';
import { CliError } from '../errors/cli-error.ts';
import { textAt } from '../resources/fields.ts';
import type { Session } from '../session.ts';

/** An object that is being deleted. */
export interface Going {
  readonly target: ResourceTarget;
  readonly uid: string;
}

const POLICIES: Readonly<Record<string, string>> = {
  true: 'Background',
  background: 'Background',
  foreground: 'Foreground',
  orphan: 'Orphan',
  false: 'Orphan',
};

/** Reads `--cascade`; without one the kind decides. Throws a {@link CliError} for a policy that is none. */
export function propagation(cascade: string | true | undefined): DeletionFlags {
  // Said expressly: left to itself, the API orphans what Jobs and ReplicationControllers own.
  if (cascade === undefined) return { propagationPolicy: 'Background' };
  const propagationPolicy = POLICIES[String(cascade)];
  if (propagationPolicy === undefined) {
    throw new CliError(`invalid cascade value (${cascade}). Must be "background", "foreground", or "orphan"`);
  }
  return { propagationPolicy };
}

/** Reads `--grace-period`: seconds, or undefined when the object decides. Throws a {@link CliError}. */
export function gracePeriod(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw new CliError(`invalid --grace-period "${text}": write a number of seconds`);
  return Number(text) < 0 ? undefined : Number(text);
}

/** Resolves when none of the objects is there any more; `timeoutMs` 0 means no limit. Throws a {@link CliError} when it is over. */
export async function waitUntilGone(
  { api, terminal }: { readonly api: ApiClient; readonly terminal: Session['terminal'] },
  going: readonly Going[],
  timeoutMs: number,
): Promise<void> {
  const { signal, cancel } = deadlineSignal(
    terminal.signal,
    timeoutMs,
    new CliError('timed out waiting for the objects to go; they are still being deleted'),
  );
  try {
    for (const { target, uid } of going) {
      for await (const object of followObject(api, target, signal)) {
        if (object === undefined || textAt(object, 'metadata', 'uid') !== uid) break;
      }
    }
  } finally {
    cancel();
  }
}

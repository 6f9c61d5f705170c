import type { apiv1 } from '../../proto/api.ts';
import type { ResourceTarget } from '../api/api-client.ts';
import { deadlineSignal, followObject } from '../api/follow-object.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { LiveLines } from '../output/live-lines.ts';
import { paletteFor } from '../output/palette.ts';
import { listAt, textAt } from '../resources/fields.ts';
import { slashedName } from '../resources/identity.ts';
import type { Session } from '../session.ts';
import { deploymentRollout, type RolloutState } from './rollout-status.ts';

/** How objects of a kind become ready; kinds not here are ready when they are stored. */
const STATES: Readonly<Record<string, (object: JsonObject) => RolloutState>> = {
  'apps/Deployment': deploymentRollout,
  '/Pod': podState,
};

function podState(pod: JsonObject): RolloutState {
  const name = textAt(pod, 'metadata', 'name');
  const phase = textAt(pod, 'status', 'phase');
  const ready = listAt(pod, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
  );
  if (phase === 'Failed')
    throw new CliError(`pod "${name}" failed: ${textAt(pod, 'status', 'message') || textAt(pod, 'status', 'reason')}`);
  if (ready || phase === 'Succeeded') return { message: `pod "${name}" is ready`, done: true, available: 1, wanted: 1 };
  const waiting = listAt(pod, 'status', 'containerStatuses')
    .map((status) => textAt(status, 'state', 'waiting', 'reason'))
    .find((reason) => reason !== '');
  return {
    message: `Waiting for pod "${name}" to be ready: ${waiting ?? phase}`,
    done: false,
    available: 0,
    wanted: 1,
  };
}

/**
 * Follows the rollouts of all objects until each is done, showing how far they are: in place on a terminal, line by line
 * elsewhere. `timeoutMs` 0 means no limit. Throws when one fails or the time is over.
 */
export async function waitForRollouts(
  session: Session,
  identities: readonly apiv1.ObjectIdentity[],
  timeoutMs: number,
): Promise<void> {
  const { terminal } = session;
  const followed = identities.filter(
    (identity) => STATES[`${identity.group ?? ''}/${identity.kind ?? ''}`] !== undefined,
  );
  const live = new LiveLines({ write: (text) => terminal.stdout.write(text), ...outputShape(terminal.stdout) });
  const lines = new Map<apiv1.ObjectIdentity, string>();
  const { signal, cancel } = deadlineSignal(
    terminal.signal,
    timeoutMs,
    new CliError('timed out waiting for the rollout'),
  );
  const palette = paletteFor({ isTerminal: terminal.stdout.isTerminal, env: terminal.env });
  const follow = async (identity: apiv1.ObjectIdentity): Promise<void> => {
    const state = STATES[`${identity.group ?? ''}/${identity.kind ?? ''}`];
    for await (const object of followObject(session.api, identityTarget(identity), signal)) {
      if (object === undefined) throw new CliError(`${slashedName(identity)} was deleted`);
      const now = state?.(object);
      if (now === undefined) return;
      const bar = terminal.stdout.isTerminal ? `${progressBar(now)} ` : '';
      lines.set(identity, `${bar}${now.done ? palette.green(now.message) : now.message}`);
      live.show([...lines.values()]);
      if (now.done) return;
    }
  };
  try {
    const results = await Promise.allSettled(followed.map((identity) => follow(identity)));
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    throwAll([...new Set(failures)]);
  } finally {
    cancel();
  }
}

function outputShape(output: { isTerminal: boolean; columns: () => number }): {
  isTerminal: boolean;
  columns: () => number;
} {
  return { isTerminal: output.isTerminal, columns: output.columns };
}

const BAR_CELLS = 16;

/** `[####----] 2/4` */
function progressBar({ available, wanted }: RolloutState): string {
  const share = wanted === 0 ? 1 : Math.min(1, available / wanted);
  const full = Math.round(share * BAR_CELLS);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)}] ${available}/${wanted}`;
}

/** The target of an object the server has named. */
export function identityTarget(identity: apiv1.ObjectIdentity): ResourceTarget {
  const { group = '', version = '', kind = '', namespace, name } = identity;
  return {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
}

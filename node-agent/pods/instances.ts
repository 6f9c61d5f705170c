/** From the runtime's facts to runs of containers. */
import type { ContainerFacts } from '../runtime/runtime.ts';
import { LABELS } from './container-config.ts';
import type { Instance } from './pod-state.ts';

/** The run that `facts` describe; null for one that was cut short before the runtime knew it. */
export function instanceOf(facts: ContainerFacts, message: string): Instance | null {
  if (facts.state === 'creating') return null;
  const exited = facts.state === 'exited';
  return {
    id: facts.id,
    attempt: facts.attempt,
    state: exited ? 'exited' : facts.state === 'created' ? 'created' : 'running',
    startedAt: facts.startedAt,
    finishedAt: facts.finishedAt,
    exitCode: facts.exitCode,
    reason: exited ? reasonOf(facts) : '',
    message,
    backoffMs: Number(facts.labels[LABELS.backoffMs] ?? 0),
    specImage: facts.labels[LABELS.specImage] ?? '',
    image: facts.labels[LABELS.image] ?? '',
    imageID: facts.labels[LABELS.imageID] ?? '',
    lost: facts.state === 'lost',
  };
}

function reasonOf(facts: ContainerFacts): string {
  if (facts.oomKilled) return 'OOMKilled';
  if (facts.exitCode === null) return 'ContainerStatusUnknown';
  return facts.exitCode === 0 ? 'Completed' : 'Error';
}

/** A run that ended without an exit code: its monitor was lost and it has been killed. */
export function endedUnknown(instance: Instance, nowIso: string): Instance {
  return {
    ...instance,
    state: 'exited',
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container lost its monitor; its exit code is not known',
    finishedAt: nowIso,
    lost: false,
  };
}

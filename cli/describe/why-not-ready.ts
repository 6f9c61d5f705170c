import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, numberAt, textAt } from '../resources/fields.ts';

/**
 * In plain words why a pod is not running and ready, and what to look at next; nothing when it is fine. From the pod's own
 * status first, then from the latest warning about it.
 */
export function whyNotReady(pod: JsonObject, events: readonly JsonObject[]): string[] {
  const phase = textAt(pod, 'status', 'phase');
  const name = textAt(pod, 'metadata', 'name');
  if (phase === 'Succeeded') return [];
  if (textAt(pod, 'metadata', 'deletionTimestamp') !== '') return ['It is being deleted.'];
  const scheduled = condition(pod, 'PodScheduled');
  if (textAt(scheduled, 'status') === 'False') {
    return [`No node takes it: ${textAt(scheduled, 'message') || textAt(scheduled, 'reason')}`];
  }
  if (phase === 'Pending' && textAt(pod, 'spec', 'nodeName') === '') return ['The scheduler has not looked at it yet.'];
  const statuses = [...listAt(pod, 'status', 'initContainerStatuses'), ...listAt(pod, 'status', 'containerStatuses')];
  const reasons = statuses.flatMap((status) => containerReasons(name, status));
  if (phase === 'Failed') {
    const message = textAt(pod, 'status', 'message') || textAt(pod, 'status', 'reason');
    return [message === '' ? 'It failed.' : `It failed: ${message}`, ...reasons];
  }
  if (reasons.length > 0) return reasons;
  if (textAt(condition(pod, 'Ready'), 'status') === 'True') return [];
  const notReady = listAt(pod, 'status', 'containerStatuses').filter((status) => textAt(status, 'ready') === 'false');
  const warning = [...events].reverse().find((event) => textAt(event, 'type') === 'Warning');
  const last = warning === undefined ? [] : [`Last warning: ${textAt(warning, 'message').trim()}`];
  if (notReady.length > 0)
    return [`Not ready yet: ${notReady.map((status) => textAt(status, 'name')).join(', ')}`, ...last];
  return phase === 'Pending' ? [`Node ${textAt(pod, 'spec', 'nodeName')} has not started it yet.`, ...last] : last;
}

function condition(pod: JsonObject, type: string): JsonObject | undefined {
  return listAt(pod, 'status', 'conditions').find((one) => textAt(one, 'type') === type);
}

/** Reasons that are part of an ordinary start. */
const PASSING = new Set(['', 'ContainerCreating', 'PodInitializing']);

function containerReasons(pod: string, status: JsonObject): string[] {
  const name = textAt(status, 'name');
  const waiting = textAt(status, 'state', 'waiting', 'reason');
  if (!PASSING.has(waiting)) {
    const message = textAt(status, 'state', 'waiting', 'message');
    const lines = [`Container ${name}: ${waiting}${message === '' ? '' : `: ${message}`}`];
    const last = ended(status, 'lastState');
    return last === '' ? lines : [...lines, `  ${last}; see: skiff logs ${pod} -c ${name} --previous`];
  }
  const now = ended(status, 'state');
  const failed = (numberAt(status, 'state', 'terminated', 'exitCode') ?? 0) !== 0;
  return failed ? [`Container ${name}: ${now}; see: skiff logs ${pod} -c ${name}`] : [];
}

function ended(status: JsonObject, field: 'state' | 'lastState'): string {
  const code = numberAt(status, field, 'terminated', 'exitCode');
  const reason = textAt(status, field, 'terminated', 'reason');
  if (code === undefined && reason === '') return '';
  return `it ended with exit code ${code ?? 0}${reason === '' ? '' : ` (${reason})`}`;
}

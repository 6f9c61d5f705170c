/** Event: something that happened to an object. Events are kept for an hour. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { byRule, invalid, required } from './validation/field-errors.ts';

const STORED_SECONDS = 3600;
const MAX_WORD = 128;
const MAX_NOTE = 1024;

function firstSeen(event: corev1.Event): string {
  return event.firstTimestamp ?? event.eventTime ?? '';
}

function lastSeen(event: corev1.Event): string {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event);
}

function count(event: corev1.Event): string {
  return String(event.series?.count ?? event.count ?? 1);
}

function source(event: corev1.Event): string {
  const component = event.source?.component ?? event.reportingComponent ?? '';
  const host = event.source?.host ?? '';
  return host === '' ? component : `${component}, ${host}`;
}

/** An event stands beside its object; those of objects without a namespace stand in `default`. */
function validateNamespace(event: corev1.Event): ErrorCause[] {
  const of = event.involvedObject?.namespace ?? '';
  const namespace = event.metadata?.namespace ?? '';
  const fits = of === '' ? ['', 'default', 'kube-system'].includes(namespace) : of === namespace;
  return fits ? [] : [invalid('involvedObject.namespace', of, 'does not match event.namespace')];
}

/** Events of the newer form, which have an eventTime, must say more. */
function validate(event: corev1.Event): ErrorCause[] {
  const causes = validateNamespace(event);
  if (event.eventTime === undefined) return causes;
  const { reportingComponent = '', message = '' } = event;
  if (reportingComponent === '') causes.push(required('reportingComponent'));
  else causes.push(...byRule('reportingComponent', reportingComponent, qualifiedName));
  for (const name of ['reportingInstance', 'action', 'reason'] as const) {
    const text = event[name] ?? '';
    if (text === '') causes.push(required(name));
    else if (text.length > MAX_WORD) causes.push(invalid(name, text, `can have at most ${MAX_WORD} characters`));
  }
  if (message.length > MAX_NOTE) causes.push(invalid('message', message, `can have at most ${MAX_NOTE} characters`));
  return causes;
}

/** The definition of Event. */
export const event: ResourceDefinition<corev1.Event> = {
  type: KINDS.Event,
  storedSeconds: STORED_SECONDS,
  validate,
  columns: [
    { name: 'LAST SEEN', age: true, cell: lastSeen },
    { name: 'TYPE', cell: (o) => o.type ?? '' },
    { name: 'REASON', cell: (o) => o.reason ?? '' },
    { name: 'OBJECT', cell: (o) => `${(o.involvedObject?.kind ?? '').toLowerCase()}/${o.involvedObject?.name ?? ''}` },
    { name: 'SUBOBJECT', wide: true, cell: (o) => o.involvedObject?.fieldPath ?? '' },
    { name: 'SOURCE', wide: true, cell: source },
    { name: 'MESSAGE', cell: (o) => (o.message ?? '').trim() },
    { name: 'FIRST SEEN', wide: true, age: true, cell: firstSeen },
    { name: 'COUNT', wide: true, cell: count },
    { ...nameColumn, wide: true },
  ],
  selectableFields: {
    'involvedObject.kind': (o) => o.involvedObject?.kind ?? '',
    'involvedObject.namespace': (o) => o.involvedObject?.namespace ?? '',
    'involvedObject.name': (o) => o.involvedObject?.name ?? '',
    'involvedObject.uid': (o) => o.involvedObject?.uid ?? '',
    'involvedObject.apiVersion': (o) => o.involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': (o) => o.involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': (o) => o.involvedObject?.fieldPath ?? '',
    reason: (o) => o.reason ?? '',
    reportingComponent: (o) => o.reportingComponent ?? '',
    source: (o) => o.source?.component ?? o.reportingComponent ?? '',
    type: (o) => o.type ?? '',
  },
};

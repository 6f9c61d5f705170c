/** Events between v1 and events.k8s.io/v1: the same facts under other names. Nothing is lost either way. */
import type { corev1, eventsv1 } from '../../proto/index.ts';

/** An event of events.k8s.io/v1 as v1. */
export function eventToCore(event: eventsv1.Event): corev1.Event {
  const {
    note,
    regarding,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...same
  } = event;
  return given({
    ...same,
    message: note,
    involvedObject: regarding,
    reportingComponent: reportingController,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  });
}

/** An event of v1 as events.k8s.io/v1. */
export function eventFromCore(event: corev1.Event): eventsv1.Event {
  const { message, involvedObject, reportingComponent, source, firstTimestamp, lastTimestamp, count, ...same } = event;
  return given({
    ...same,
    note: message,
    regarding: involvedObject,
    reportingController: reportingComponent,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  });
}

/** Only the fields that have a value. */
function given<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

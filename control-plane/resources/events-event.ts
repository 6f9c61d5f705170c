/** Event in events.k8s.io/v1: another form of what is stored as v1. */
import { type eventsv1, KINDS, type KubeObject } from '../../proto/index.ts';
import type { ResourceDefinition } from './definition.ts';
import { event } from './event.ts';
import { eventFromCore, eventToCore } from './event-conversion.ts';

/** The definition of Event in events.k8s.io/v1. */
export const eventsEvent: ResourceDefinition<eventsv1.Event> = {
  type: KINDS.EventsEvent,
  storedAs: {
    type: KINDS.Event,
    toStored: eventToCore,
    fromStored: (stored: KubeObject) => eventFromCore(stored),
    fieldNames: Object.fromEntries(
      Object.keys(event.selectableFields ?? {})
        .filter((name) => name !== 'source')
        .map((name) => [
          name.replace('involvedObject.', 'regarding.').replace('reportingComponent', 'reportingController'),
          name,
        ]),
    ),
  },
  columns: event.columns.map((column) => ({ ...column, cell: (object) => column.cell(eventToCore(object)) })),
};

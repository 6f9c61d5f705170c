/** The door to the services' own messages alone, for the command line: without the kinds, their schema and the JSON codec. */

export * as agentv1 from './gen/skiff/agent/v1/images.ts';
export * as joinv1 from './gen/skiff/api/v1/join.ts';
export * as apiv1 from './gen/skiff/api/v1/resources.ts';
export * as streamsv1 from './gen/skiff/api/v1/streams.ts';

/** The kinds as values: what a client, a controller or a handler passes around to say "pods". */
import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { KINDS as GENERATED } from './gen/kinds.ts';
import type { ObjectMeta } from './gen/skiff/meta/v1/meta.ts';
import type { KindSchema } from './schema.ts';

/** What every object of the API has. */
export interface KubeObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata?: ObjectMeta | undefined;
}

/** Encoding and decoding of one message, as ts-proto generates it. */
export interface MessageCodec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

/** One kind of the API: its identity and the codec of its message. */
export interface ResourceType<T extends KubeObject = KubeObject> extends KindSchema {
  /** `v1` or `group/version`. */
  readonly apiVersion: string;
  /** Full protobuf name, `skiff.core.v1.Pod`. */
  readonly messageName: string;
  readonly message: MessageCodec<T>;
}

/** The typed object of a resource type. */
export type ObjectOf<R> = R extends ResourceType<infer T> ? T : never;

type Generated = typeof GENERATED;
type TypeOf<M> = M extends { decode(input: Uint8Array): infer T extends KubeObject } ? T : never;

/** Every kind there is, by name. Made from the kind options of the .proto sources. */
export const KINDS: { readonly [K in keyof Generated]: ResourceType<TypeOf<Generated[K]['message']>> } = GENERATED;

const all = Object.values(KINDS) as readonly ResourceType[];

/** All kinds, in the order of the sources. */
export function allKinds(): readonly ResourceType[] {
  return all;
}

/** The kind of that apiVersion and name, if it is served. */
export function findKind(apiVersion: string, kind: string): ResourceType | undefined {
  return all.find((type) => type.kind === kind && type.apiVersion === apiVersion);
}

/** URL of a message in a `google.protobuf.Any`. */
export function typeUrl(type: ResourceType): string {
  return `type.googleapis.com/${type.messageName}`;
}

/** Server-side apply as the tests call it: as a manager of that name, and who owns what afterwards. */
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { apiv1, type JsonObject, type metav1 } from '../../proto/index.ts';

/** What was applied, as far as the tests look at it. */
export interface Applied {
  readonly metadata: Omit<metav1.ObjectMeta, 'managedFields'> & { readonly managedFields?: readonly OwnerEntry[] };
  readonly spec: {
    readonly replicas: number;
    readonly strategy: { readonly type: string };
    readonly template: { readonly spec: { readonly containers: readonly JsonObject[] } };
  };
  readonly status: JsonObject;
}

/** One of `metadata.managedFields`. */
export interface OwnerEntry {
  readonly manager: string;
  readonly operation: string;
  readonly apiVersion: string;
  readonly subresource?: string;
  readonly time: string;
  readonly fieldsV1: JsonObject;
}

/** Applies through one connection. */
export class Appliers {
  readonly #connection: GrpcConnection;

  constructor(connection: GrpcConnection) {
    this.#connection = connection;
  }

  /** Applies `json` as `manager`; the reply as it comes. */
  send(json: JsonObject, manager: string, more: apiv1.ApplyRequest = {}): Promise<apiv1.ObjectReply> {
    return this.#connection.unary(apiv1.ResourcesService.apply, {
      json: Buffer.from(JSON.stringify(json)),
      output: apiv1.Output.JSON,
      serverSide: true,
      fieldManager: manager,
      ...more,
    });
  }

  /** Applies `json` as `manager`; the object it became. */
  async apply(json: JsonObject, manager: string, more: apiv1.ApplyRequest = {}): Promise<Applied> {
    return JSON.parse((await this.send(json, manager, more)).json?.toString() ?? '') as Applied;
  }
}

/** The owners of fields: `<manager> <operation>`, and the subresource where there is one. */
export function owners({ metadata }: Applied): string[] {
  return (metadata.managedFields ?? []).map(({ manager, operation, subresource }) =>
    [manager, operation, ...(subresource === undefined ? [] : [subresource])].join(' '),
  );
}

/** The fields that the manager's first entry names. */
export function fieldsOf({ metadata }: Applied, manager: string): JsonObject | undefined {
  return metadata.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1;
}

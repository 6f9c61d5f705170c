/** For the tests of kinds that people add: definitions to begin from, and the API in JSON. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { RunningServer } from '../../control-plane/server.ts';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { apiv1, type JsonObject } from '../../proto/index.ts';
import { JsonApi, parsed } from './behaviours-api.ts';

const { ResourcesService } = apiv1;
const EXAMPLE = join(import.meta.dirname, '../../manifests/custom-resource-definition.yaml');

/** The example of a definition, and an object of it. */
export function example(): readonly [JsonObject, JsonObject] {
  const [crd, object] = parseAllDocuments(readFileSync(EXAMPLE, 'utf8')).map((doc) => doc.toJS() as JsonObject);
  if (crd === undefined || object === undefined) throw new Error('the example has two documents');
  return [crd, { ...object, metadata: { ...(object.metadata as JsonObject), namespace: 'default' } }];
}

/** A definition of `plural` in widgets.example.com with these versions. */
export function definition(plural: string, kind: string, more: JsonObject = {}): JsonObject {
  const version: JsonObject = {
    name: 'v1',
    served: true,
    storage: true,
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
      },
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.widgets.example.com` },
    spec: { group: 'widgets.example.com', scope: 'Namespaced', names: { plural, kind }, versions: [version], ...more },
  };
}

/** The API in JSON, with what the tests of custom kinds use besides. */
export class Caller extends JsonApi {
  /** Applies an object, in the namespace `default` unless said. */
  async apply(json: JsonObject, more: apiv1.ApplyRequest = {}): Promise<JsonObject> {
    return parsed(
      await this.connection.unary(ResourcesService.apply, {
        target: { namespace: 'default' },
        json: Buffer.from(JSON.stringify(json)),
        output: apiv1.Output.JSON,
        ...more,
      }),
    );
  }

  /** Creates or updates what `target` says, whatever `json` says of itself. */
  async write(verb: 'create' | 'update', target: apiv1.Target, json: JsonObject): Promise<JsonObject> {
    const request = { target, json: Buffer.from(JSON.stringify(json)), output: apiv1.Output.JSON };
    return parsed(await this.connection.unary(ResourcesService[verb], request));
  }

  /** The objects of a list. */
  async objects(target: apiv1.Target, more: apiv1.ListRequest = {}): Promise<readonly JsonObject[]> {
    return (await this.list(target, more)).items;
  }
}

/** A connection to a server as its administrator. */
export function connectionTo({ port, pki }: RunningServer): GrpcConnection {
  return new GrpcConnection({ endpoints: [`127.0.0.1:${port}`], ca: pki.ca, ...pki.admin });
}

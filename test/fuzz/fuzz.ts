/**
 * The fuzzer: mutated manifests through the command line, mutated objects through every verb, and mutated encodings of requests,
 * against one server. Whatever comes in, the answer must be a success or a classified error, in time; what was accepted must
 * be valid when it is read again.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import type { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { findDefinition } from '../../control-plane/resources/registry.ts';
import { validateObject } from '../../control-plane/resources/validate-object.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { ApiError, errorMessage, hasReason } from '../../lib/errors.ts';
import { apiv1, fromJson, type Json, type JsonObject, type KubeObject } from '../../proto/index.ts';
import { runSkiff } from '../harness/run-skiff.ts';
import type { Corpus } from './fuzz-world.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateJson, pick, type Random, ValuePool } from './mutate-json.ts';
import { mutateText } from './mutate-text.ts';

/** What a run needs. */
export interface FuzzOptions {
  readonly random: Random;
  readonly corpus: Corpus;
  readonly connection: GrpcConnection;
  readonly system: LocalResourceClient;
  readonly configFile: string;
}

/** Something that must not happen, with what led to it. */
export interface Finding {
  readonly what: string;
  readonly input: string;
}

/** How often each kind of input was tried, and how often it was accepted. */
export interface Tally {
  readonly tried: Record<string, number>;
  readonly accepted: Record<string, number>;
}

/** No answer may take longer, on a busy machine too. */
const MAX_ANSWER_MS = 10_000;

const RESOURCES = '/skiff.api.v1.Resources/';

/** Tries inputs, one after another. */
export class Fuzzer {
  readonly tally: Tally = { tried: {}, accepted: {} };
  readonly findings: Finding[] = [];
  readonly #options: FuzzOptions;
  readonly #pool = new ValuePool();

  constructor(options: FuzzOptions) {
    this.#options = options;
    for (const object of options.corpus.objects) this.#pool.learn(object);
  }

  /** One input of some kind. */
  async step(): Promise<void> {
    const { random } = this.#options;
    const kind = random();
    if (kind < 0.35) await this.#try('manifest', () => this.#manifest());
    else if (kind < 0.8) await this.#try('object', () => this.#object());
    else await this.#try('encoding', () => this.#encoding());
  }

  /** `body` gives the input, and whether it was accepted; throws a {@link Wrong} for what must not be. */
  async #try(kind: string, body: () => Promise<boolean>): Promise<void> {
    this.tally.tried[kind] = (this.tally.tried[kind] ?? 0) + 1;
    const begin = performance.now();
    try {
      if (await body()) this.tally.accepted[kind] = (this.tally.accepted[kind] ?? 0) + 1;
    } catch (err) {
      if (err instanceof Wrong)
        this.findings.push({ what: `${kind}: ${err.message}`, input: err.input.slice(0, 4_000) });
      else
        this.findings.push({
          what: `${kind}: ${errorMessage(err)}`,
          input: err instanceof Error ? `${err.stack}` : '',
        });
    }
    const ms = performance.now() - begin;
    if (ms > 3 * MAX_ANSWER_MS) this.findings.push({ what: `${kind}: took ${Math.round(ms)} ms`, input: '' });
  }

  /** A text through the command line. */
  async #manifest(): Promise<boolean> {
    const { random, corpus, configFile } = this.#options;
    const text = mutateText(random, pick(random, corpus.texts), pick(random, corpus.texts));
    const args = ['apply', '-f', '-', pick(random, ['--dry-run=server', '--dry-run=client', '--dry-run=server'])];
    if (random() < 0.3) args.push('--server-side');
    const { code, stderr } = await runSkiff(args, {
      stdin: text,
      env: { SKIFF_CONFIG: configFile, HOME: '/nonexistent' },
    });
    if (code !== 0 && code !== 1) throw new Wrong(`exit code ${code}: ${stderr}`, text);
    if (code === 1 && !/error/i.test(stderr)) throw new Wrong(`failed without an error: ${stderr}`, text);
    if (/\n {4}at |Internal error|InternalError|undefined is not|Cannot read prop|is not a function/.test(stderr))
      throw new Wrong(`unclassified: ${stderr}`, text);
    return code === 0;
  }

  /** An object through one of the verbs; what was accepted is read again, checked and removed. */
  async #object(): Promise<boolean> {
    const { random, corpus } = this.#options;
    const begun = pick(random, corpus.objects);
    const json = inNamespace(mutateJson(random, begun, this.#pool));
    const input = JSON.stringify(json);
    const verb = pick(random, ['create', 'apply', 'serverSideApply', 'update', 'patch'] as const);
    const reply = await this.#answer(`${verb} ${input}`, () => this.#send(verb, inNamespace(begun), json));
    if (reply === undefined) return false;
    await this.#check(reply, input);
    return true;
  }

  async #send(verb: string, begun: JsonObject, json: JsonObject): Promise<apiv1.ObjectReply> {
    const { connection, random } = this.#options;
    const target = targetOf(json);
    const output = apiv1.Output.JSON;
    const bytes = Buffer.from(JSON.stringify(json));
    switch (verb) {
      case 'create':
        return connection.unary(apiv1.ResourcesService.create, { target, json: bytes, output });
      case 'update':
        await this.#exists(begun);
        return connection.unary(apiv1.ResourcesService.update, { target: targetOf(begun), json: bytes, output });
      case 'patch': {
        await this.#exists(begun);
        const type = pick(random, [apiv1.PatchType.MERGE, apiv1.PatchType.STRATEGIC, apiv1.PatchType.JSON]);
        const patch: Json =
          type === apiv1.PatchType.JSON
            ? [
                {
                  op: pick(random, ['add', 'replace', 'test', 'move']),
                  path: this.#pointer(),
                  from: this.#pointer(),
                  value: json,
                },
              ]
            : json;
        return connection.unary(apiv1.ResourcesService.patch, {
          target: targetOf(begun),
          type,
          patch: Buffer.from(JSON.stringify(patch)),
          output,
        });
      }
      default: {
        const serverSide = verb === 'serverSideApply';
        return connection.unary(apiv1.ResourcesService.apply, {
          target,
          json: bytes,
          output,
          serverSide,
          force: serverSide && random() < 0.5,
          fieldManager: 'fuzz',
        });
      }
    }
  }

  #pointer(): string {
    const { random } = this.#options;
    const parts = Array.from({ length: Math.floor(random() * 4) }, () =>
      random() < 0.2 ? String(Math.floor(random() * 3)) : this.#pool.key(random),
    );
    return parts.map((part) => `/${part}`).join('');
  }

  async #exists(json: JsonObject): Promise<void> {
    const request = { target: targetOf(json), json: Buffer.from(JSON.stringify(json)) };
    await this.#options.connection.unary(apiv1.ResourcesService.create, request).catch((err: unknown) => {
      if (!(err instanceof ApiError)) throw err;
    });
  }

  /** A mutated encoding of a request to any method. */
  async #encoding(): Promise<boolean> {
    const { random, corpus, connection } = this.#options;
    const bytes = (): Uint8Array => this.#request(pick(random, corpus.objects));
    const mutated = mutateBytes(random, bytes(), bytes());
    const method = pick(random, [
      'Get',
      'List',
      'Create',
      'Update',
      'Patch',
      'Apply',
      'Delete',
      'DeleteCollection',
    ] as const);
    const raw: MethodDefinition<Buffer, Buffer> = {
      path: `${RESOURCES}${method}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (value) => value,
      requestDeserialize: (value) => value,
      responseSerialize: (value) => value,
      responseDeserialize: (value) => value,
    };
    const input = `${method} ${mutated.toString('base64')}`;
    return (
      (await this.#answer(input, () => connection.unary(raw, mutated, { timeoutMs: MAX_ANSWER_MS }))) !== undefined
    );
  }

  #request(json: JsonObject): Uint8Array {
    const { random } = this.#options;
    const placed = inNamespace(json);
    const target = targetOf(placed);
    const definition = findDefinition(text(placed.apiVersion), text(placed.kind));
    // What deletes at random is only tried, so that it does not empty the cluster.
    if (random() < 0.3) return apiv1.DeleteRequest.encode({ target, dryRun: true, gracePeriodSeconds: 1 }).finish();
    if (definition === undefined || random() < 0.3) {
      return apiv1.WriteRequest.encode({ target, json: Buffer.from(JSON.stringify(placed)), dryRun: true }).finish();
    }
    const { messageName, message } = definition.type;
    const { value, issues } = fromJson<KubeObject>(messageName, placed);
    if (issues.length > 0) return apiv1.GetRequest.encode({ target }).finish();
    const object = {
      typeUrl: `type.googleapis.com/${messageName}`,
      value: Buffer.from(message.encode(value).finish()),
    };
    return apiv1.WriteRequest.encode({ target, object, dryRun: true }).finish();
  }

  /** The reply; undefined for an error of a class that people can act on. */
  async #answer<T>(input: string, call: () => Promise<T>): Promise<T | undefined> {
    const begin = performance.now();
    try {
      return await call();
    } catch (err) {
      const classified = err instanceof ApiError && !hasReason(err, 'InternalError', 'Timeout', 'ServiceUnavailable');
      if (!classified) throw new Wrong(`unclassified: ${errorMessage(err)}`, input);
      if (err.message.trim() === '') throw new Wrong('an error without words', input);
      return undefined;
    } finally {
      const ms = performance.now() - begin;
      if (ms > MAX_ANSWER_MS) this.findings.push({ what: `took ${Math.round(ms)} ms`, input });
    }
  }

  /** What was accepted is there, reads strictly, is valid, changes nothing when applied again, and can be removed. */
  async #check(reply: apiv1.ObjectReply, input: string): Promise<void> {
    const { group = '', version = '', kind = '', namespace = '', name = '' } = reply.identity ?? {};
    const target = { apiVersion: group === '' ? version : `${group}/${version}`, kind, namespace, name };
    const definition = findDefinition(target.apiVersion, kind);
    // Kinds that a definition of their own made are checked by their own suite.
    if (definition === undefined) return;
    const json = JSON.parse(reply.json?.toString() ?? 'null') as JsonObject;
    const { value, issues } = fromJson<KubeObject>(definition.type.messageName, json);
    if (issues.length > 0) throw new Wrong(`what was accepted does not read: ${JSON.stringify(issues)}`, input);
    const stored = definition.storedAs === undefined ? definition : undefined;
    const causes = stored === undefined ? [] : validateObject(stored, value);
    if (causes.length > 0) throw new Wrong(`what was accepted is not valid: ${JSON.stringify(causes)}`, input);
    await this.#remove(target);
  }

  async #remove(target: apiv1.Target): Promise<void> {
    const { connection } = this.#options;
    const ignore = (err: unknown): void => {
      if (!(err instanceof ApiError)) throw err;
    };
    // Namespaces and nodes that were there before stay.
    const kept = target.kind === 'Namespace' && ['default', 'kube-system', 'kube-public'].includes(target.name ?? '');
    if (kept) return;
    const patch = Buffer.from('{"metadata":{"finalizers":null}}');
    await connection.unary(apiv1.ResourcesService.patch, { target, type: apiv1.PatchType.MERGE, patch }).catch(ignore);
    await connection.unary(apiv1.ResourcesService.delete, { target, gracePeriodSeconds: 0 }).catch(ignore);
  }
}

/** What must not be, with the input that led to it. */
class Wrong extends Error {
  readonly input: string;

  constructor(message: string, input: string) {
    super(message);
    this.input = input;
  }
}

function inNamespace(json: JsonObject): JsonObject {
  const definition = findDefinition(text(json.apiVersion), text(json.kind));
  if (definition?.type.namespaced !== true) return json;
  const { metadata } = json;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return json;
  return { ...json, metadata: { ...metadata, namespace: 'default' } };
}

function targetOf(json: JsonObject): apiv1.Target {
  const metadata = (json.metadata ?? {}) as JsonObject;
  return {
    apiVersion: text(json.apiVersion),
    kind: text(json.kind),
    namespace: text(metadata.namespace),
    name: text(metadata.name),
  };
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

import type { ICompare, IKeyValue, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3';
import { ApiError } from '../../../lib/errors.ts';
import { type ResourceVersion, revisionOf, type StoreWrite } from '../store.ts';
import { seal } from './envelope.ts';

/** A write with its etcd key and, when it is short-lived, its lease. */
export interface PreparedWrite {
  readonly write: StoreWrite;
  readonly key: Buffer;
  readonly lease: string | undefined;
}

/** Proof of leadership that a transaction is made to depend on: the leader key, unchanged since we wrote it. */
export interface Fence {
  /** The etcd key that the leader holds. */
  readonly key: string;
  /** The revision at which we wrote it. */
  readonly revision: number;
}

/** What a transaction came to: the revision it made, or the entries as they were when it was refused. */
export type GroupOutcome =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly current: readonly (IKeyValue | undefined)[] };

/** The transaction that makes all of `writes`, each at its own index, or else reads what stands in their way. */
export function buildTxn(writes: readonly PreparedWrite[], fence: Fence | undefined): ITxnRequest {
  const compare: ICompare[] = [];
  const success: IRequestOp[] = [];
  const failure: IRequestOp[] = [];
  for (const [index, { write, key, lease }] of writes.entries()) {
    compare.push({ result: 'Equal', target: 'Mod', key, mod_revision: revisionOf(write.ifVersion) });
    success.push(
      write.type === 'delete'
        ? { request_delete_range: { key } }
        : { request_put: { key, value: seal(write.value, index), ...(lease !== undefined && { lease }) } },
    );
    failure.push({ request_range: { key } });
  }
  if (fence !== undefined) {
    const key = Buffer.from(fence.key);
    compare.push({ result: 'Equal', target: 'Mod', key, mod_revision: fence.revision });
    failure.push({ request_range: { key, keys_only: true } });
  }
  return { compare, success, failure };
}

/** Reads etcd's answer to {@link buildTxn}. Throws `ServiceUnavailable` when it was the fence that failed. */
export function readOutcome(response: ITxnResponse, fence: Fence | undefined): GroupOutcome {
  if (response.succeeded) return { ok: true, revision: Number(response.header.revision) };
  const found = response.responses.map((part) => part.response_range.kvs[0]);
  if (fence !== undefined && Number(found.pop()?.mod_revision ?? 0) !== fence.revision) {
    throw new ApiError('ServiceUnavailable', 'Cannot commit: this server no longer leads');
  }
  return { ok: false, current: found };
}

/** Whether `write` was not to blame for a refusal: what is stored is what it expected. */
export function isExpected(ifVersion: ResourceVersion, current: IKeyValue | undefined): boolean {
  return revisionOf(ifVersion) === Number(current?.mod_revision ?? 0);
}

/** The Peers service: what this node answers to the agents of others. */
import { type handleUnaryCall, type ServerUnaryCall, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { peersv1 } from '../../proto/index.ts';
import type { ServiceWithdrawal } from '../features/node-feature.ts';

/** Longest wait a caller may ask for. */
const MAX_WAIT_MS = 10_000;

type Authenticated = Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext'>;

/** The handlers. Only callers that `isNode` accepts are answered. */
export function peersHandlers(
  withdrawals: readonly ServiceWithdrawal[],
  isNode: (call: Authenticated) => boolean,
): UntypedServiceImplementation {
  const awaitWithdrawn: handleUnaryCall<peersv1.AwaitWithdrawnRequest, peersv1.AwaitWithdrawnReply> = (
    call,
    callback,
  ) => {
    if (!isNode(call)) {
      callback({ code: status.PERMISSION_DENIED, details: 'only nodes of this cluster may call this' });
      return;
    }
    const { namespace = '', name = '', uid = '', waitMs = 0 } = call.request;
    const enough = new AbortController();
    const timer = setTimeout(() => enough.abort(), Math.min(waitMs, MAX_WAIT_MS));
    call.on('cancelled', () => enough.abort());
    const asked = withdrawals.map((feature) => feature.withdrawn({ namespace, name, uid }, enough.signal));
    void Promise.all(asked).then((answers) => {
      clearTimeout(timer);
      callback(null, { withdrawn: answers.every(Boolean) });
    });
  };
  return { awaitWithdrawn };
}

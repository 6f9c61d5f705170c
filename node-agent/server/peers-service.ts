/** The Peers service: what this node answers to the agents of others. */
import type { handleUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { peersv1 } from '../../proto/index.ts';
import type { ServiceWithdrawal } from '../features/node-feature.ts';

/** Longest wait a caller may ask for. */
const MAX_WAIT_MS = 10_000;

/** The handlers; who may call them is the server's to check. */
export function peersHandlers(withdrawals: readonly ServiceWithdrawal[]): UntypedServiceImplementation {
  const awaitWithdrawn: handleUnaryCall<peersv1.AwaitWithdrawnRequest, peersv1.AwaitWithdrawnReply> = (
    call,
    callback,
  ) => {
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

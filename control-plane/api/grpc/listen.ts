import { isIP } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { errorMessage } from '../../../lib/errors.ts';

/** Where to listen; port 0 takes any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Listens, and gives the port. Rejects with words for what is in the way. */
export function listenOn(server: Server, address: ListenAddress, credentials: ServerCredentials): Promise<number> {
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${address.port}`, credentials, (err, port) => {
      if (err === null) resolve(port);
      else reject(new Error(`Cannot listen on ${host}:${address.port}: ${listenProblem(err)}`, { cause: err }));
    });
  });
}

/**
 * Turns new calls away, lets those under way end for `drainMs`, and closes. Never rejects; gives what stood in the way. A connection
 * whose other side is gone without a word would never be closed in order: it is left to the end of the process.
 */
export function closeServer(server: Server, drainMs: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      setImmediate(resolve, new Error(`connections did not end within ${drainMs} ms`));
    }, drainMs);
    server.tryShutdown((err) => {
      clearTimeout(force);
      resolve(err);
    });
  });
}

function listenProblem(err: Error): string {
  const said = errorMessage(err);
  if (said.includes('EADDRINUSE')) return 'another program listens there already';
  return said.includes('EADDRNOTAVAIL') ? 'this machine does not have that address' : said;
}

/** Sockets of the DNS server. What clients can make it hold is bounded; nothing they send ends it. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { framed } from './exchange.ts';
import type { Transport } from './name-resolver.ts';
import { SourceBudget } from './source-budget.ts';

/** Answers packets; as in `NameResolver.respond`. */
export type Respond = (packet: Buffer, transport: Transport) => Buffer | null | Promise<Buffer>;

/** What is listening. */
export interface Listener {
  readonly port: number;
  /** Resolves when the socket is closed. */
  close(): Promise<void>;
}

/** UDP questions that wait for others; more are dropped, and asked again by their clients. */
const MAX_WAITING = 4096;
const MAX_CONNECTIONS = 256;
/** Questions of one connection under way; then it is read no further until one is answered. */
const MAX_PIPELINED = 64;
const IDLE_MS = 10_000;
/** A client that reads no answers is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** Listens on UDP. Rejects with the system's error when that is not possible. */
export async function listenUdp(
  address: string,
  port: number,
  respond: Respond,
  budget = new SourceBudget(),
): Promise<Listener> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1024 * 1024 });
  let waiting = 0;
  socket.on('message', (packet, from) => {
    if (from.port === 0 || !budget.take(from.address, performance.now())) return;
    const send = (reply: Buffer | null): void => sendQuietly(socket, reply, from);
    const reply = respondSafely(respond, packet, 'udp');
    if (!(reply instanceof Promise)) return send(reply);
    if (waiting >= MAX_WAITING) return undefined;
    waiting += 1;
    void reply
      .then(send, () => undefined)
      .finally(() => {
        waiting -= 1;
      });
    return undefined;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, resolve);
  }).catch((err: unknown) => {
    socket.close();
    throw err;
  });
  socket.removeAllListeners('error');
  // Errors of single sends, such as a client's closed port: nothing to do.
  socket.on('error', () => undefined);
  const close = (): Promise<void> => new Promise((resolve) => socket.close(() => resolve()));
  return { port: socket.address().port, close };
}

function sendQuietly(
  socket: UdpSocket,
  reply: Buffer | null,
  to: { readonly port: number; readonly address: string },
): void {
  if (reply === null) return;
  try {
    socket.send(reply, to.port, to.address, () => undefined);
  } catch {
    // Closed in between.
  }
}

/** Listens on TCP: several questions on one connection, answered as answers come. Rejects when that is not possible. */
export async function listenTcp(
  address: string,
  port: number,
  respond: Respond,
  budget = new SourceBudget(),
): Promise<Listener> {
  const connections = new Set<Socket>();
  // Half-open: a client may end its side after its last question and wait for answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    const from = socket.remoteAddress ?? '';
    serveConnection(socket, respond, () => budget.take(from, performance.now()));
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  server.removeAllListeners('error');
  server.on('error', () => undefined);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

function serveConnection(socket: Socket, respond: Respond, mayAsk: () => boolean): void {
  let received = Buffer.alloc(0);
  let underWay = 0;
  let ended = false;
  const answer = (reply: Buffer | null): void => {
    if (reply === null || socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
    else if (socket.writable) socket.write(framed(reply));
  };
  const readOn = (): void => {
    while (received.length >= 2 && underWay < MAX_PIPELINED && !socket.destroyed) {
      const end = 2 + received.readUInt16BE(0);
      if (received.length < end) break;
      if (!mayAsk()) {
        socket.destroy();
        break;
      }
      const packet = Buffer.from(received.subarray(2, end));
      received = received.subarray(end);
      const reply = respondSafely(respond, packet, 'tcp');
      if (!(reply instanceof Promise)) {
        answer(reply);
        continue;
      }
      underWay += 1;
      void reply
        .then(answer, () => undefined)
        .finally(() => {
          underWay -= 1;
          readOn();
        });
    }
    if (underWay < MAX_PIPELINED) socket.resume();
    else socket.pause();
    if (ended && underWay === 0) socket.end();
  };
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('end', () => {
    ended = true;
    readOn();
  });
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    readOn();
  });
}

/** A packet nobody foresaw must not end the server: it gets no answer. */
function respondSafely(respond: Respond, packet: Buffer, transport: Transport): ReturnType<Respond> {
  try {
    return respond(packet, transport);
  } catch {
    return null;
  }
}

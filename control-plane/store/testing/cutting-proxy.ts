import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy on loopback that cuts connections where a test says. */
export class CuttingProxy {
  readonly #target: { readonly port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #bytesUntilCut = Number.POSITIVE_INFINITY;
  #refusing = false;
  /** Connections cut so far, each counted once. */
  cuts = 0;

  constructor(targetPort: number) {
    this.#target = { port: targetPort };
  }

  /** Starts listening; gives the port. */
  async start(): Promise<number> {
    const server = createServer((client) => this.#relay(client));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  /** Cuts everything once `bytes` more have come from the target: in the middle of whatever is passing then. */
  cutAfter(bytes: number): void {
    this.#bytesUntilCut = bytes;
  }

  /** Cuts everything now. */
  cut(): void {
    this.#bytesUntilCut = Number.POSITIVE_INFINITY;
    if (this.#sockets.size > 0) this.cuts += 1;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  /** While true, new connections are closed at once. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  /** Cuts everything and stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.cut();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  #relay(client: Socket): void {
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(this.#target.port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => this.#forward(client, upstream, chunk));
  }

  #forward(client: Socket, upstream: Socket, chunk: Buffer): void {
    if (chunk.byteLength < this.#bytesUntilCut) {
      this.#bytesUntilCut -= chunk.byteLength;
      client.write(chunk);
      return;
    }
    // What passes before the cut must arrive, or every cut would fall between two messages.
    const allowed = chunk.subarray(0, this.#bytesUntilCut);
    this.#bytesUntilCut = Number.POSITIVE_INFINITY;
    // Nothing may follow what was cut off: it would arrive as if it were the missing bytes.
    upstream.pause();
    client.write(allowed, () => this.cut());
  }
}

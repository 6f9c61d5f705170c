import { createServer, type Server } from 'node:http';

/** What load balancers are told of one service. */
export interface ServiceHealth {
  readonly namespace: string;
  readonly name: string;
  readonly localEndpoints: number;
}

/** The part of a logger the servers need. */
export interface HealthLog {
  warn(fields: object, message: string): void;
}

interface Listening {
  readonly server: Server;
  health: ServiceHealth;
}

/**
 * Answers on the health ports of services with the external policy Local: 200 where this node has ready endpoints, 503 where it has
 * none, so that load balancers send only to nodes that would not drop.
 */
export class HealthServers {
  readonly #log: HealthLog;
  readonly #listening = new Map<number, Listening>();

  constructor(log: HealthLog) {
    this.#log = log;
  }

  /** Whether that port is answered as far as we asked for it. */
  has(port: number): boolean {
    return this.#listening.has(port);
  }

  /** What is to be said on a port from now on; the first call for a port opens it. */
  set(port: number, health: ServiceHealth): void {
    const known = this.#listening.get(port);
    if (known !== undefined) {
      known.health = health;
      return;
    }
    const server = createServer((_request, response) => {
      const { namespace, name, localEndpoints } = this.#listening.get(port)?.health ?? health;
      response.writeHead(localEndpoints > 0 ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      });
      response.end(`${JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true })}\n`);
    });
    server.on('error', (err) => {
      this.#log.warn({ namespace: health.namespace, name: health.name, port, err }, 'health check port not open');
      // Tried again with the service's next change.
      if (this.#listening.get(port)?.server === server) this.#listening.delete(port);
    });
    server.listen(port);
    this.#listening.set(port, { server, health });
  }

  /** Closes a port, and the connections on it. */
  close(port: number): void {
    const known = this.#listening.get(port);
    this.#listening.delete(port);
    known?.server.close();
    known?.server.closeAllConnections();
  }

  /** Closes all. */
  closeAll(): void {
    for (const port of [...this.#listening.keys()]) this.close(port);
  }
}

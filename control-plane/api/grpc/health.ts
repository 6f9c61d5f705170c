import type { Server, ServerWritableStream } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { captureServices } from './captured-service.ts';

/** Names health checks may ask about; the empty one is the whole server. */
const SERVICES = ['', 'skiff.api.v1.Resources', 'skiff.api.v1.Cluster', 'skiff.api.v1.Streams'];

/** The standard health service of gRPC. */
export class HealthService {
  readonly #health = new HealthImplementation(Object.fromEntries(SERVICES.map((name) => [name, 'NOT_SERVING'])));

  /** Tells everybody who asks, now and later. */
  setServing(serving: boolean): void {
    for (const name of SERVICES) this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Registers the service; its streams end when `signal` aborts. The library would leave them open and so keep the server. */
  addTo(server: Server, signal: AbortSignal): void {
    for (const { definition, handlers } of captureServices((recorder) => this.#health.addToServer(recorder))) {
      const { watch } = handlers as { watch: (call: ServerWritableStream<unknown, unknown>) => void };
      server.addService(definition, {
        ...handlers,
        watch: (call: ServerWritableStream<unknown, unknown>) => {
          const end = (): void => void call.end();
          signal.addEventListener('abort', end, { once: true });
          call.on('cancelled', () => signal.removeEventListener('abort', end));
          watch(call);
        },
      });
    }
  }
}

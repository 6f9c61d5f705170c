import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';

/** A service as a library would register it. */
export interface CapturedService {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/** What a library adds to a server, without adding it: for services whose handlers we wrap or load later. */
export function captureServices(add: (server: Server) => void): CapturedService[] {
  const captured: CapturedService[] = [];
  class Recorder extends Server {
    override addService(definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
      captured.push({ definition, handlers });
    }
  }
  add(new Recorder({ 'grpc.enable_channelz': 0 }));
  return captured;
}

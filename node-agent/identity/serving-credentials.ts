import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import type { NodeCertificate } from './node-certificate.ts';

/**
 * How the agent serves: with the node's certificate as it is when a connection begins, for callers with one of the same CA. What
 * is connected already stays as it is when the certificate changes.
 */
export function servingCredentials(identity: NodeCertificate): ServerCredentials {
  const provider = new IdentityProvider(identity);
  return experimental.createCertificateProviderServerCredentials(provider, provider, true);
}

/** The identity as gRPC asks for it. */
class IdentityProvider implements experimental.CertificateProvider {
  readonly #identity: NodeCertificate;
  readonly #stops = new Map<object, () => void>();

  constructor(identity: NodeCertificate) {
    this.#identity = identity;
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#follow(listener, () => listener({ caCertificate: Buffer.from(this.#identity.current.ca) }));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#stop(listener);
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#follow(listener, () => {
      const { cert, key } = this.#identity.current;
      listener({ certificate: Buffer.from(cert), privateKey: Buffer.from(key) });
    });
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#stop(listener);
  }

  #follow(listener: object, tell: () => void): void {
    this.#stops.set(listener, this.#identity.onChange(tell));
    // gRPC asks a moment before it can take the answer, and connects nobody until it has one.
    queueMicrotask(tell);
  }

  #stop(listener: object): void {
    this.#stops.get(listener)?.();
    this.#stops.delete(listener);
  }
}

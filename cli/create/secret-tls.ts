import { createPrivateKey, X509Certificate } from 'node:crypto';
import { CliError } from '../errors/cli-error.ts';
import { declareAppendHash, readBytes } from './data-sources.ts';
import type { Generator } from './generator.ts';
import { secretOf } from './secret.ts';

interface TlsOptions {
  readonly cert?: string;
  readonly key?: string;
  readonly appendHash?: boolean;
}

/** `create secret tls` */
export const secretTls: Generator<TlsOptions> = {
  path: ['secret', 'tls'],
  summary: 'Create a Secret of a certificate and its key',
  namespaced: true,
  examples: [['From two files in PEM', 'skiff create secret tls web --cert=tls.crt --key=tls.key']],
  declare(command) {
    declareAppendHash(
      command.option('--cert <path>', 'the certificate, in PEM').option('--key <path>', 'its private key, in PEM'),
    );
  },
  async build({ name, options }) {
    if (options.key === undefined || options.cert === undefined)
      throw new CliError('key and cert must be specified: give --key and --cert');
    const cert = await readBytes(options.cert);
    const key = await readBytes(options.key);
    checkPair({ cert, key }, options.cert, options.key);
    const data = new Map([
      ['tls.crt', cert],
      ['tls.key', key],
    ]);
    return secretOf(name, { type: 'kubernetes.io/tls', data, appendHash: options.appendHash === true });
  },
};

function checkPair({ cert, key }: { cert: Buffer; key: Buffer }, certPath: string, keyPath: string): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch (err) {
    throw new CliError(`${certPath} is no certificate in PEM`, { cause: err });
  }
  try {
    if (certificate.checkPrivateKey(createPrivateKey(key))) return;
  } catch (err) {
    throw new CliError(`${keyPath} is no private key in PEM`, { cause: err });
  }
  throw new CliError(`the private key ${keyPath} does not belong to the certificate ${certPath}`);
}

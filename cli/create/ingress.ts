import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import type { Generator } from './generator.ts';
import { collectWhole, keyValue } from './options.ts';

interface IngressOptions {
  readonly class?: string;
  readonly rule?: string[];
  readonly defaultBackend?: string;
  readonly annotation?: string[];
}

/** `create ingress` */
export const ingress: Generator<IngressOptions> = {
  path: ['ingress'],
  aliases: ['ing'],
  summary: 'Create an Ingress: which host and path leads to which Service',
  namespaced: true,
  examples: [
    ['One exact path, with a certificate', 'skiff create ingress web --rule="example.com/shop=shop:8080,tls=web-cert"'],
    ['All paths below one, and a class', 'skiff create ingress web --class=traefik --rule="example.com/api*=api:http"'],
    ['Everything', 'skiff create ingress all --default-backend=web:80'],
  ],
  declare(command) {
    command
      .option('--class <name>', 'the IngressClass')
      .option(
        '--rule <host/path=service:port[,tls[=secret]]>',
        'a path, a prefix when it ends with *; repeatable',
        collectWhole,
      )
      .option('--default-backend <service:port>', 'where everything else goes')
      .option('--annotation <key=value>', 'an annotation; repeatable', collectWhole);
  },
  build({ name, options }) {
    const rules = (options.rule ?? []).map((text) => parseRule(text));
    if (options.defaultBackend === undefined && rules.length === 0)
      throw new CliError('an ingress has rules, a default backend or both: give --rule or --default-backend');
    const annotations = (options.annotation ?? []).map((pair) => keyValue(pair, '--annotation'));
    const tls = tlsOf(rules);
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }) },
      spec: {
        ...(options.defaultBackend === undefined ? {} : { defaultBackend: backend(options.defaultBackend) }),
        ...(options.class === undefined ? {} : { ingressClassName: options.class }),
        ...(rules.length === 0 ? {} : { rules: rulesOf(rules) }),
        ...(tls.length === 0 ? {} : { tls }),
      },
      status: { loadBalancer: {} },
    };
  },
};

interface Rule {
  readonly host: string;
  readonly path: string;
  readonly service: string;
  /** Undefined without `tls`; empty without the name of a Secret. */
  readonly secret: string | undefined;
}

function parseRule(text: string): Rule {
  const parts = /^([\w*.-]*)(\/[^,=\n]*)=([\w-]+:[\w-]+)(?:,tls(?:=([\w-]+)?)?)?$/.exec(text);
  if (parts === null)
    throw new CliError(`rule ${text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]`);
  const [, host = '', path = '', service = '', secret = ''] = parts;
  return { host, path, service, secret: text.includes(',') ? secret : undefined };
}

/** Paths of one host stand together, in the order of the rules. */
function rulesOf(rules: readonly Rule[]): JsonObject[] {
  return [...new Set(rules.map(({ host }) => host))].map((host) => {
    const paths = rules.filter((rule) => rule.host === host).map((rule) => pathOf(rule));
    return { ...(host === '' ? {} : { host }), http: { paths } };
  });
}

function pathOf({ path, service }: Rule): JsonObject {
  const isPrefix = path.endsWith('*');
  return {
    backend: backend(service),
    path: isPrefix ? path.slice(0, -1) : path,
    pathType: isPrefix ? 'Prefix' : 'Exact',
  };
}

/** Hosts of one Secret stand together; a host takes the first Secret named for it. */
function tlsOf(rules: readonly Rule[]): JsonObject[] {
  const secretOf = new Map<string, string>();
  for (const { host, secret } of rules) {
    if (secret !== undefined && !secretOf.has(host)) secretOf.set(host, secret);
  }
  return [...new Set(secretOf.values())].flatMap((secret) => {
    const hosts = [...secretOf].filter(([host, of]) => of === secret && host !== '').map(([host]) => host);
    if (hosts.length === 0 && secret === '') return [];
    return [{ ...(hosts.length === 0 ? {} : { hosts }), ...(secret === '' ? {} : { secretName: secret }) }];
  });
}

function backend(text: string): JsonObject {
  const [name = '', port = '', ...more] = text.split(':');
  if (name === '' || port === '' || more.length > 0)
    throw new CliError(`default-backend should be in format servicename:serviceport, not "${text}"`);
  return { service: { name, port: /^\d+$/.test(port) ? { number: Number(port) } : { name: port } } };
}

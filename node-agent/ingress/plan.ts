/** From Ingresses, Services, EndpointSlices and Secrets to what the proxy should do. Pure. */
import { classNameOf, INGRESS_CONTROLLER } from '../../lib/ingress-class.ts';
import type { corev1, discoveryv1, networkingv1 } from '../../proto/index.ts';

/** Where requests with this host and path go. */
export interface Route {
  /** Small letters; empty for every host; `*.example.com` for one more label. */
  readonly host: string;
  readonly path: string;
  readonly match: 'Exact' | 'Prefix';
  /** Id of the backend. */
  readonly backend: string;
}

/** Where the requests of one backend go. */
export interface BackendServers {
  readonly id: string;
  /** `address:port`, sorted. Empty: answered with 503. */
  readonly servers: readonly string[];
}

/** A certificate with its key, and the hosts it is shown for; no host means every other. */
export interface HostCertificate {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly pem: string;
}

/** Something of an Ingress that cannot be done. */
export interface IngressProblem {
  readonly ingress: networkingv1.Ingress;
  readonly reason: string;
  readonly message: string;
}

/** Everything the proxy should do. Equal inputs give equal plans. */
export interface IngressPlan {
  /** The first that matches counts. */
  readonly routes: readonly Route[];
  /** For requests no route matches; undefined: 404. */
  readonly fallback: string | undefined;
  readonly backends: readonly BackendServers[];
  readonly certificates: readonly HostCertificate[];
  readonly problems: readonly IngressProblem[];
}

/** What the plan is made from. */
export interface IngressInput {
  readonly ingresses: readonly networkingv1.Ingress[];
  readonly classes: readonly networkingv1.IngressClass[];
  readonly service: (namespace: string, name: string) => corev1.Service | undefined;
  readonly slices: (namespace: string, service: string) => readonly discoveryv1.EndpointSlice[];
  /** Undefined while it is not known or not there. */
  readonly secret: (namespace: string, name: string) => corev1.Secret | undefined;
}

/** The Ingresses that are ours to serve: of a class with our controller. The oldest first, which wins where two say the same. */
export function ourIngresses({
  ingresses,
  classes,
}: Pick<IngressInput, 'ingresses' | 'classes'>): networkingv1.Ingress[] {
  const ours = new Set(
    classes.filter(({ spec }) => spec?.controller === INGRESS_CONTROLLER).map(({ metadata }) => metadata?.name ?? ''),
  );
  return ingresses
    .filter((ingress) => ours.has(classNameOf(ingress) ?? ''))
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .sort((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1));
}

function ageKey({ metadata }: networkingv1.Ingress): string {
  return `${metadata?.creationTimestamp ?? ''} ${metadata?.namespace}/${metadata?.name}`;
}

/** Names of the Secrets with certificates that an Ingress names. */
export function tlsSecretsOf(ingress: networkingv1.Ingress): string[] {
  const names = (ingress.spec?.tls ?? []).map(({ secretName = '' }) => secretName);
  return [...new Set(names.filter((name) => name !== ''))];
}

/** The plan. */
export function planIngress(input: IngressInput): IngressPlan {
  const draft = new Draft(input);
  const ours = ourIngresses(input);
  for (const ingress of ours) draft.add(ingress);
  // After all rules: whatever rule there is counts more than a default backend.
  for (const ingress of ours) draft.addDefault(ingress);
  return draft.finish();
}

class Draft {
  readonly #input: IngressInput;
  readonly #routes = new Map<string, Route>();
  readonly #backends = new Map<string, BackendServers>();
  readonly #certificates = new Map<string, HostCertificate>();
  readonly #problems: IngressProblem[] = [];
  #fallback: string | undefined;

  constructor(input: IngressInput) {
    this.#input = input;
  }

  add(ingress: networkingv1.Ingress): void {
    const { rules = [], tls = [] } = ingress.spec ?? {};
    for (const { host = '', http } of rules) {
      for (const path of http?.paths ?? []) this.#addPath(ingress, host.toLowerCase(), path);
    }
    for (const one of tls) this.#addCertificate(ingress, one);
  }

  /** Beside rules: for what no rule says of the hosts named in them. Alone: for whatever no rule matches. */
  addDefault(ingress: networkingv1.Ingress): void {
    const { defaultBackend, rules = [] } = ingress.spec ?? {};
    if (defaultBackend === undefined) return;
    for (const host of new Set(rules.map((rule) => (rule.host ?? '').toLowerCase()))) {
      const isSaid = this.#routes.has(routeKey({ host, match: 'Prefix', path: '/' }));
      if (!isSaid) this.#addPath(ingress, host, { path: '/', pathType: 'Prefix', backend: defaultBackend });
    }
    if (rules.length > 0) return;
    const id = this.#backend(ingress, defaultBackend);
    if (this.#fallback === undefined) this.#fallback = id;
    else if (id !== undefined && id !== this.#fallback) {
      const message = 'another Ingress, which is older, has the default backend already';
      this.#problem(ingress, 'DefaultBackendTaken', message);
    }
  }

  #addPath(
    ingress: networkingv1.Ingress,
    host: string,
    { path: text = '/', pathType, backend }: networkingv1.HTTPIngressPath,
  ): void {
    const match = pathType === 'Exact' ? 'Exact' : 'Prefix';
    const path = match === 'Exact' ? text : text.replace(/\/+$/, '') || '/';
    if (!isPlain(path) || !isPlain(host)) {
      this.#problem(
        ingress,
        'InvalidPath',
        `path ${JSON.stringify(text)} has characters that no request line can have`,
      );
      return;
    }
    const id = this.#backend(ingress, backend);
    if (id === undefined) return;
    const key = routeKey({ host, match, path });
    const known = this.#routes.get(key);
    if (known === undefined) this.#routes.set(key, { host, path, match, backend: id });
    else if (known.backend !== id) {
      const where = `${host === '' ? '*' : host}${path}`;
      this.#problem(ingress, 'PathTaken', `another Ingress, which is older, sends ${where} elsewhere`);
    }
  }

  #backend(ingress: networkingv1.Ingress, backend: networkingv1.IngressBackend | undefined): string | undefined {
    const service = backend?.service;
    if (service === undefined) {
      this.#problem(ingress, 'UnsupportedBackend', 'only backends that are Services can be served');
      return undefined;
    }
    const { namespace = '' } = ingress.metadata ?? {};
    const { name = '', port } = service;
    const wanted = port?.name !== undefined && port.name !== '' ? port.name : String(port?.number ?? '');
    const id = `${namespace}_${name}_${wanted}`;
    if (this.#backends.has(id)) return id;
    const found = this.#input.service(namespace, name);
    const ports = found?.spec?.ports ?? [];
    const servicePort = ports.find((candidate) => candidate.name === port?.name || candidate.port === port?.number);
    if (found === undefined) this.#problem(ingress, 'ServiceNotFound', `service "${name}" not found`);
    else if (servicePort === undefined) {
      this.#problem(ingress, 'PortNotFound', `service "${name}" has no port ${JSON.stringify(wanted)}`);
    }
    const slices = servicePort === undefined ? [] : this.#input.slices(namespace, name);
    this.#backends.set(id, { id, servers: serversOf(slices, servicePort?.name ?? '') });
    return id;
  }

  #addCertificate(ingress: networkingv1.Ingress, { secretName = '', hosts = [] }: networkingv1.IngressTLS): void {
    if (secretName === '') return;
    const { namespace = '' } = ingress.metadata ?? {};
    const secret = this.#input.secret(namespace, secretName);
    const pem = secret === undefined ? undefined : pemOf(secret);
    if (secret === undefined) this.#problem(ingress, 'SecretNotFound', `secret "${secretName}" not found`);
    else if (pem === undefined) {
      this.#problem(
        ingress,
        'InvalidSecret',
        `secret "${secretName}" has no certificate and key in tls.crt and tls.key`,
      );
    } else {
      const name = `${namespace}_${secretName}`;
      const known = this.#certificates.get(name)?.hosts ?? [];
      const all = [...new Set([...known, ...hosts.map((host) => host.toLowerCase())])].filter(isPlain).sort();
      this.#certificates.set(name, { name, hosts: all, pem });
    }
  }

  #problem(ingress: networkingv1.Ingress, reason: string, message: string): void {
    this.#problems.push({ ingress, reason, message });
  }

  finish(): IngressPlan {
    return {
      routes: [...this.#routes.values()].sort(compareRoutes),
      fallback: this.#fallback,
      backends: [...this.#backends.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      certificates: [...this.#certificates.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      problems: this.#problems,
    };
  }
}

function routeKey({ host, match, path }: Pick<Route, 'host' | 'match' | 'path'>): string {
  return `${host} ${match} ${path}`;
}

/** A named host before a wildcard before none; an exact path before a prefix; the longer path first. */
function compareRoutes(a: Route, b: Route): number {
  const hostRank = ({ host }: Route): number => (host === '' ? 2 : host.startsWith('*.') ? 1 : 0);
  return (
    hostRank(a) - hostRank(b) ||
    b.host.length - a.host.length ||
    (a.host < b.host ? -1 : a.host > b.host ? 1 : 0) ||
    (a.match === b.match ? 0 : a.match === 'Exact' ? -1 : 1) ||
    b.path.length - a.path.length ||
    (a.path < b.path ? -1 : 1)
  );
}

/** Ready endpoints; when there is none, those that still serve while they end. */
function serversOf(slices: readonly discoveryv1.EndpointSlice[], portName: string): string[] {
  const ready: string[] = [];
  const ending: string[] = [];
  for (const { addressType, endpoints = [], ports = [] } of slices) {
    const port = ports.find(({ name = '' }) => name === portName)?.port;
    if (addressType !== 'IPv4' || port === undefined) continue;
    for (const { addresses = [], conditions } of endpoints) {
      const [address] = addresses;
      if (address === undefined) continue;
      if (conditions?.ready !== false) ready.push(`${address}:${port}`);
      else if (conditions.serving === true && conditions.terminating === true) ending.push(`${address}:${port}`);
    }
  }
  return [...new Set(ready.length > 0 ? ready : ending)].sort();
}

/** Nothing that could end a word or a line of the proxy's configuration. */
function isPlain(text: string): boolean {
  return /^[\x21-\x7e]*$/.test(text) && !/['"\\#]/.test(text);
}

function pemOf({ data }: corev1.Secret): string | undefined {
  const text = (key: string): string =>
    Buffer.from(data?.[key] ?? '')
      .toString('utf8')
      .trim();
  const certificate = text('tls.crt');
  const key = text('tls.key');
  const complete = certificate.includes('BEGIN CERTIFICATE') && key.includes('PRIVATE KEY');
  return complete ? `${certificate}\n${key}\n` : undefined;
}

/** The configuration of HAProxy for a plan, and the commands that change its servers while it runs. Pure. */
import type { IngressPlan, Route } from './plan.ts';

/** Servers of each backend in places that stay: a place may be empty. Changes of places need no reload. */
export type Places = ReadonlyMap<string, readonly (string | undefined)[]>;

/** Where HAProxy finds its files. */
export interface HaproxyPaths {
  readonly adminSocket: string;
  /** List of certificates; undefined when there are none. */
  readonly certificateList: string | undefined;
}

/** Ports the proxy listens on. */
export interface IngressPorts {
  readonly http: number;
  readonly https: number;
}

const MIN_PLACES = 4;

/**
 * Puts the servers of a plan into places: those that stay keep theirs, new ones take empty ones. A backend that has become too large
 * gets more places, which changes the configuration.
 */
export function assignPlaces(plan: IngressPlan, before: Places): Places {
  const places = new Map<string, readonly (string | undefined)[]>();
  for (const { id, servers } of plan.backends) {
    const old = before.get(id) ?? [];
    const size = Math.max(old.length, MIN_PLACES, servers.length > old.length ? 2 * servers.length : 0);
    const kept = Array.from({ length: size }, (_, i) => {
      const server = old[i];
      return server !== undefined && servers.includes(server) ? server : undefined;
    });
    const added = servers.filter((server) => !kept.includes(server));
    places.set(
      id,
      kept.map((server) => server ?? added.shift()),
    );
  }
  return places;
}

/** Commands for the admin socket that lead from one filling of the places to another; the shape is the same. */
export function placeCommands(before: Places, after: Places): string[] {
  const commands: string[] = [];
  for (const [id, servers] of after) {
    const old = before.get(id) ?? [];
    for (const [i, server] of servers.entries()) {
      if (server === old[i]) continue;
      const place = `${id}/s${i + 1}`;
      if (server === undefined) {
        commands.push(`set server ${place} state maint`);
        continue;
      }
      const colon = server.lastIndexOf(':');
      commands.push(
        `set server ${place} state maint`,
        `set server ${place} addr ${server.slice(0, colon)} port ${server.slice(colon + 1)}`,
        `set server ${place} state ready`,
      );
    }
  }
  return commands;
}

/** What needs a reload when it changes: everything but who stands in the places. */
export function shapeOf(plan: IngressPlan, places: Places): string {
  const sizes = [...places].map(([id, servers]) => [id, servers.length]);
  return JSON.stringify([plan.routes, plan.fallback, plan.certificates, sizes]);
}

/** The whole file. */
export function haproxyConfig(
  plan: IngressPlan,
  places: Places,
  { paths, ports }: { readonly paths: HaproxyPaths; readonly ports: IngressPorts },
): string {
  const tls =
    paths.certificateList === undefined
      ? []
      : [`  bind :${ports.https} ssl crt-list ${paths.certificateList} alpn h2,http/1.1`];
  const lines = [
    'global',
    `  stats socket ${paths.adminSocket} mode 600 level admin expose-fd listeners`,
    '  stats timeout 1m',
    // A port that another program has is taken, whatever that program allows.
    '  noreuseport',
    '  log stderr format raw local0 notice',
    '  maxconn 8192',
    // Workers of before a reload end with their last connection, but not later.
    '  hard-stop-after 1h',
    '  ssl-default-bind-options ssl-min-ver TLSv1.2',
    'defaults',
    '  mode http',
    '  log global',
    '  option dontlognull',
    '  option forwardfor',
    // A worker that ends after a reload closes an idle connection with its next answer, not under a request that is on its way.
    '  option idle-close-on-response',
    '  option redispatch',
    '  retries 3',
    '  retry-on conn-failure empty-response response-timeout',
    '  timeout connect 2s',
    '  timeout client 60s',
    '  timeout server 60s',
    '  timeout http-request 30s',
    '  timeout http-keep-alive 60s',
    '  timeout tunnel 1h',
    'frontend ingress',
    `  bind :${ports.http}`,
    ...tls,
    // A retry repeats what is safe to repeat only.
    '  http-request disable-l7-retry unless METH_GET || METH_HEAD',
    '  http-request set-header X-Forwarded-Proto https if { ssl_fc }',
    '  http-request set-header X-Forwarded-Proto http unless { ssl_fc }',
    '  http-request set-header X-Forwarded-Host %[req.hdr(host)]',
    '  http-request set-var(txn.host) req.hdr(host),field(1,:),lower',
    ...plan.routes.map(routeLine),
    `  default_backend ${plan.fallback ?? 'nothing_here'}`,
    'backend nothing_here',
    '  http-request return status 404 content-type text/plain string "no Ingress has a rule for this host and path\\n"',
  ];
  for (const [id, servers] of places) {
    lines.push(`backend ${id}`, '  balance roundrobin');
    for (const [i, server] of servers.entries()) {
      lines.push(server === undefined ? `  server s${i + 1} 127.0.0.1:9 disabled` : `  server s${i + 1} ${server}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function routeLine({ host, path, match, backend }: Route): string {
  const onHost = hostCondition(host);
  const conditions =
    match === 'Exact'
      ? [`{ path -m str '${path}' }`]
      : path === '/'
        ? ['']
        : [`{ path -m str '${path}' }`, `{ path -m beg '${path}/' }`];
  const all = conditions.map((condition) => [onHost, condition].filter((part) => part !== '').join(' '));
  return all.every((one) => one === '')
    ? `  use_backend ${backend} if TRUE`
    : `  use_backend ${backend} if ${all.join(' or ')}`;
}

function hostCondition(host: string): string {
  if (host === '') return '';
  if (!host.startsWith('*.')) return `{ var(txn.host) -m str '${host}' }`;
  return `{ var(txn.host) -m reg '^[^.]+${host.slice(1).replaceAll('.', '\\.')}$' }`;
}

/** The list of certificates: file and the names each is shown for. The first is shown to who names no host we know. */
export function certificateList(plan: IngressPlan, fileOf: (name: string) => string): string {
  return plan.certificates.map(({ name, hosts }) => `${[fileOf(name), ...hosts].join(' ')}\n`).join('');
}

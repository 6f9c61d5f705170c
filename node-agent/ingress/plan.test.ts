import { describe, expect, test } from 'vitest';
import type { corev1, discoveryv1, networkingv1 } from '../../proto/index.ts';
import { type IngressInput, planIngress, tlsSecretsOf } from './plan.ts';

const CLASS: networkingv1.IngressClass = { metadata: { name: 'skiff' }, spec: { controller: 'skiff.dev/ingress' } };

function ingress(name: string, spec: networkingv1.IngressSpec, created = '2026-01-01T00:00:00Z'): networkingv1.Ingress {
  const metadata = { namespace: 'shop', name, creationTimestamp: created };
  return { metadata, spec: { ingressClassName: 'skiff', ...spec } };
}

function to(name: string, port: number | string = 80): networkingv1.IngressBackend {
  return { service: { name, port: typeof port === 'number' ? { number: port } : { name: port } } };
}

function rule(host: string | undefined, ...paths: networkingv1.HTTPIngressPath[]): networkingv1.IngressRule {
  return { ...(host === undefined ? {} : { host }), http: { paths } };
}

function path(text: string, pathType: string, backend = to('web')): networkingv1.HTTPIngressPath {
  return { path: text, pathType, backend };
}

const WEB: corev1.Service = { metadata: { name: 'web' }, spec: { ports: [{ name: 'http', port: 80 }] } };

function slice(...endpoints: discoveryv1.Endpoint[]): discoveryv1.EndpointSlice {
  return { addressType: 'IPv4', ports: [{ name: 'http', port: 8080 }], endpoints };
}

function plan(ingresses: networkingv1.Ingress[], more: Partial<IngressInput> = {}) {
  return planIngress({
    ingresses,
    classes: [CLASS],
    service: (_, name) => (name === 'web' ? WEB : undefined),
    slices: () => [slice({ addresses: ['10.42.0.7'], conditions: { ready: true } })],
    secret: () => undefined,
    ...more,
  });
}

const problems = (of: ReturnType<typeof plan>): string[] =>
  of.problems.map(({ reason, message }) => `${reason}: ${message}`);

describe('what the ingress proxy should do', () => {
  test('is to try the most particular rule first', () => {
    const { routes } = plan([
      ingress('a', {
        rules: [
          rule(undefined, path('/', 'Prefix')),
          rule('*.example.com', path('/', 'Prefix')),
          rule('Shop.example.com', path('/', 'Prefix'), path('/cart/', 'Prefix'), path('/cart', 'Exact')),
        ],
      }),
    ]);
    expect(routes.map(({ host, path: text, match }) => `${host} ${match} ${text}`)).toEqual([
      'shop.example.com Exact /cart',
      'shop.example.com Prefix /cart',
      'shop.example.com Prefix /',
      '*.example.com Prefix /',
      ' Prefix /',
    ]);
  });

  test('leaves Ingresses of other classes, of none, and those that go, alone', () => {
    const going = ingress('b', { defaultBackend: to('web') });
    going.metadata = { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    const { fallback } = plan([
      ingress('a', { ingressClassName: 'nginx', defaultBackend: to('web') }),
      { metadata: { namespace: 'shop', name: 'c' }, spec: { defaultBackend: to('web') } },
      going,
    ]);
    expect(fallback).toBeUndefined();
    const old: networkingv1.Ingress = {
      metadata: { namespace: 'shop', name: 'd', annotations: { 'kubernetes.io/ingress.class': 'skiff' } },
      spec: { defaultBackend: to('web') },
    };
    expect(plan([old]).fallback).toBe('shop_web_80');
  });

  test('is to send to ready endpoints, or to those that end and still serve when there are no others', () => {
    const ready = { addresses: ['10.42.0.2'], conditions: { ready: true } };
    const ending = { addresses: ['10.42.0.3'], conditions: { ready: false, serving: true, terminating: true } };
    const down = { addresses: ['10.42.0.4'], conditions: { ready: false, serving: false } };
    const servers = (...endpoints: discoveryv1.Endpoint[]): readonly string[] | undefined =>
      plan([ingress('a', { defaultBackend: to('web', 'http') })], { slices: () => [slice(...endpoints)] }).backends[0]
        ?.servers;
    expect(servers(down, ending, ready)).toEqual(['10.42.0.2:8080']);
    expect(servers(down, ending)).toEqual(['10.42.0.3:8080']);
    expect(servers(down)).toEqual([]);
  });

  test('sends what no rule of a host says to the default backend beside the rules, but not before rules of others', () => {
    const { routes, fallback } = plan([
      ingress('a', {
        defaultBackend: to('web'),
        rules: [rule('x.y', path('/a', 'Prefix')), rule('z.y', path('/b', 'Exact'))],
      }),
      ingress('b', { rules: [rule('z.y', path('/', 'Prefix', to('web', 'http')))] }, '2026-02-01T00:00:00Z'),
    ]);
    expect(routes.map(({ host, match, path: at, backend }) => `${host} ${match} ${at} ${backend}`)).toEqual([
      'x.y Prefix /a shop_web_80',
      'x.y Prefix / shop_web_80',
      'z.y Exact /b shop_web_80',
      'z.y Prefix / shop_web_http',
    ]);
    expect(fallback).toBeUndefined();
  });

  test('follows the older of two Ingresses that say the same, and tells the other', () => {
    const both = plan([
      ingress('new', { rules: [rule('x.y', path('/a', 'Prefix', to('web', 'http')))] }, '2026-02-01T00:00:00Z'),
      ingress('old', { rules: [rule('x.y', path('/a', 'Prefix'))] }, '2026-01-01T00:00:00Z'),
    ]);
    expect(both.routes.map(({ backend }) => backend)).toEqual(['shop_web_80']);
    expect(both.problems.map(({ ingress: of }) => of.metadata?.name)).toEqual(['new']);
    expect(problems(both)).toEqual(['PathTaken: another Ingress, which is older, sends x.y/a elsewhere']);
  });

  test('names services, ports and secrets that are not there, and what cannot be served', () => {
    const said = plan([
      ingress('a', {
        rules: [
          rule('x.y', path('/1', 'Exact', to('gone')), path('/2', 'Exact', to('web', 81)), path("/'3", 'Exact')),
          rule('x.y', { path: '/4', pathType: 'Exact', backend: { resource: { kind: 'Bucket', name: 'b' } } }),
        ],
        tls: [{ hosts: ['x.y'], secretName: 'cert' }],
      }),
    ]);
    expect(problems(said)).toEqual([
      'ServiceNotFound: service "gone" not found',
      'PortNotFound: service "web" has no port "81"',
      'InvalidPath: path "/\'3" has characters that no request line can have',
      'UnsupportedBackend: only backends that are Services can be served',
      'SecretNotFound: secret "cert" not found',
    ]);
    // What has no server answers 503; what has no rule 404.
    expect(said.backends.map(({ id, servers }) => [id, servers])).toEqual([
      ['shop_gone_80', []],
      ['shop_web_81', []],
    ]);
  });

  test('takes certificates from Secrets', () => {
    const pem = (text: string): Buffer => Buffer.from(`-----BEGIN ${text}-----\nx\n-----END ${text}-----\n`);
    const secret: corev1.Secret = { data: { 'tls.crt': pem('CERTIFICATE'), 'tls.key': pem('EC PRIVATE KEY') } };
    const one = ingress('a', {
      rules: [],
      tls: [
        { hosts: ['X.y'], secretName: 'cert' },
        { hosts: ['z.y'], secretName: 'cert' },
      ],
    });
    expect(tlsSecretsOf(one)).toEqual(['cert']);
    const { certificates } = plan([one], { secret: () => secret });
    expect(certificates.map(({ name, hosts }) => [name, hosts])).toEqual([['shop_cert', ['x.y', 'z.y']]]);
    expect(problems(plan([one], { secret: () => ({ data: {} }) }))).toEqual([
      'InvalidSecret: secret "cert" has no certificate and key in tls.crt and tls.key',
      'InvalidSecret: secret "cert" has no certificate and key in tls.crt and tls.key',
    ]);
  });
});

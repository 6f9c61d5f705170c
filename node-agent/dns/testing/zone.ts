/** Services and slices for tests of the cluster's names. */
import type { corev1, discoveryv1 } from '../../../proto/index.ts';
import { ZoneData } from '../zone-data.ts';

/** A service of namespace `shop` unless the name says another: `ns/name`. */
export function service(name: string, spec: corev1.ServiceSpec): corev1.Service {
  const [namespace, plain] = name.includes('/') ? name.split('/') : ['shop', name];
  return { metadata: { namespace: namespace ?? '', name: plain ?? '' }, spec };
}

/** One endpoint of {@link slice}. */
export interface TestEndpoint {
  readonly ip: string;
  readonly hostname?: string;
  readonly ready?: boolean;
}

/** A slice of a service of namespace `shop`. */
export function slice(
  name: string,
  endpoints: readonly TestEndpoint[],
  ports: readonly discoveryv1.EndpointPort[] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
): discoveryv1.EndpointSlice {
  return {
    metadata: { namespace: 'shop', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [...ports],
    endpoints: endpoints.map(({ ip, hostname, ready = true }) => ({
      addresses: [ip],
      conditions: { ready },
      ...(hostname === undefined ? {} : { hostname }),
    })),
  };
}

/** A small cluster with a service of every sort. */
export function shopZone(): ZoneData {
  const zone = new ZoneData();
  for (const name of ['shop', 'default', 'kube-system']) zone.putNamespace(name);
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'metrics', port: 9090, protocol: 'UDP' },
  ];
  for (const item of [
    service('web', { type: 'ClusterIP', clusterIP: '10.43.0.7', clusterIPs: ['10.43.0.7'], ports }),
    service('db', { clusterIP: 'None', ports: [{ name: 'http', port: 8080 }] }),
    service('early', { clusterIP: 'None', publishNotReadyAddresses: true }),
    service('empty', { clusterIP: 'None', ports }),
    service('outside', { type: 'ExternalName', externalName: 'www.Example.com.' }),
    service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
    service('self', { type: 'ExternalName', externalName: 'self.shop.svc.cluster.local' }),
    service('number', { type: 'ExternalName', externalName: '192.0.2.1' }),
    service('default/kubernetes', { clusterIP: '10.43.0.1', ports: [{ name: 'https', port: 443 }] }),
  ]) {
    zone.putService(item);
  }
  zone.putSlice(slice('web', [{ ip: '10.42.0.5' }]));
  zone.putSlice(
    slice('db', [
      { ip: '10.42.0.2', hostname: 'db-0' },
      { ip: '10.42.1.2', hostname: 'db-1' },
      { ip: '10.42.2.2' },
      { ip: '10.42.3.2', hostname: 'db-3', ready: false },
    ]),
  );
  zone.putSlice(slice('early', [{ ip: '10.42.0.9', hostname: 'early-0', ready: false }]));
  zone.putPod({ metadata: { namespace: 'shop', name: 'web-x' }, status: { podIP: '10.42.0.5' } });
  return zone;
}

/** Service: a lasting address and name for a changing set of pods. */

import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, joined, NONE, nameColumn, UNKNOWN } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateLoadBalancer } from './load-balancer-status.ts';
import { labelsCell } from './pod-template-columns.ts';
import { serviceAddressWarnings } from './service-addresses.ts';
import { carryOver, defaultService } from './service-defaults.ts';
import { isHeadless } from './service-kinds.ts';
import { validateService, validateServiceUpdate } from './service-rules.ts';
import { startWithoutStatus } from './start-without-status.ts';

/** Where the service is reached from outside. */
function externalText({ spec, status }: corev1.Service): string {
  const own = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return joined(own);
    case 'LoadBalancer': {
      const balancer = (status?.loadBalancer?.ingress ?? []).map(({ ip = '', hostname = '' }) =>
        ip === '' ? hostname : ip,
      );
      const all = [...new Set(balancer.filter((address) => address !== ''))].sort().concat(own);
      return all.length === 0 ? '<pending>' : all.join(',');
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return UNKNOWN;
  }
}

function portsText({ spec }: corev1.Service): string {
  return joined(
    (spec?.ports ?? []).map(({ port = 0, nodePort = 0, protocol = '' }) =>
      nodePort > 0 ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
    ),
  );
}

function warnings({ spec }: corev1.Service): string[] {
  const lines = serviceAddressWarnings(spec ?? {});
  const hasExternal = (spec?.externalIPs ?? []).length > 0;
  if (spec?.type === 'ExternalName' && hasExternal) {
    lines.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (isHeadless(spec)) {
    if (hasExternal) lines.push('spec.externalIPs is ignored for headless services');
    if (spec?.sessionAffinity === 'ClientIP') lines.push('spec.SessionAffinity is ignored for headless services');
  }
  if (spec?.trafficDistribution === 'PreferClose') {
    lines.push('spec.trafficDistribution: PreferClose is deprecated, use PreferSameZone');
  }
  return lines;
}

/** The definition of Service. Its name must begin with a letter: the kind's own rules check that. */
export const service: ResourceDefinition<corev1.Service> = {
  type: KINDS.Service,
  nameRule: 'pathSegment',
  countsGenerations: false,
  subresources: { status: true },
  setDefaults: defaultService,
  prepareForCreate: startWithoutStatus,
  prepareForUpdate: carryOver,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  validateStatusUpdate: ({ status }) => validateLoadBalancer(status?.loadBalancer),
  warnings,
  columns: [
    nameColumn,
    { name: 'TYPE', cell: (o) => o.spec?.type ?? '' },
    { name: 'CLUSTER-IP', cell: (o) => o.spec?.clusterIPs?.[0] ?? NONE },
    { name: 'EXTERNAL-IP', cell: externalText },
    { name: 'PORT(S)', cell: portsText },
    ageColumn,
    { name: 'SELECTOR', wide: true, cell: (o) => labelsCell(o.spec?.selector) },
  ],
  selectableFields: {
    'spec.clusterIP': (o) => o.spec?.clusterIP ?? '',
    'spec.type': (o) => o.spec?.type ?? '',
  },
};

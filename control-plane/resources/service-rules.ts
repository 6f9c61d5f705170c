/** Rules of a service beyond its ports and addresses: the name, what its type allows, who may come, and where it is told. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain, qualifiedName } from '../../lib/name-rules.ts';
import { type corev1, joinPath } from '../../proto/index.ts';
import { validateServiceAddresses, validateServiceAddressesUpdate } from './service-addresses.ts';
import { isReachedFromOutside, needsHealthCheckPort } from './service-kinds.ts';
import { validateServicePorts } from './service-ports.ts';
import { ordinaryAddress } from './validation/addresses.ts';
import { dns1035Label } from './validation/dns-names.ts';
import { byRule, forbidden, inRange, invalid, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateLabels } from './validation/labels.ts';
import { cidr, ipAddress } from './validation/texts.ts';

const MAX_AFFINITY_SECONDS = 86_400;
const MAX_PORT = 65_535;
const RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'";

type Spec = corev1.ServiceSpec;

/** Everything wrong with a service. */
export function validateService({ metadata, spec = {} }: corev1.Service): ErrorCause[] {
  const { name = '', generateName = '' } = metadata ?? {};
  return [
    ...(name === '' ? [] : byRule('metadata.name', name, dns1035Label)),
    // The generated part is letters and digits: a prefix may end in a dash.
    ...(generateName === ''
      ? []
      : dns1035Label(`${generateName}a`).map((problem) => invalid('metadata.generateName', generateName, problem))),
    ...validateServicePorts(spec),
    ...validateServiceAddresses(spec),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateExternalName(spec),
    ...validateAffinity(spec),
    ...validateExternalAddresses(spec),
    ...validateBalancer(spec),
    ...validateSourceRanges(spec, metadata?.annotations?.[RANGES_ANNOTATION]),
    ...validateOutside(spec),
  ];
}

/** Everything of a service that may not change from `old`. */
export function validateServiceUpdate({ spec = {} }: corev1.Service, { spec: old = {} }: corev1.Service): ErrorCause[] {
  const causes = validateServiceAddressesUpdate(spec, old);
  if (spec.type === 'LoadBalancer' && old.type === 'LoadBalancer') {
    causes.push(...immutable('spec.loadBalancerClass', spec.loadBalancerClass, old.loadBalancerClass));
  }
  if (needsHealthCheckPort(spec) && needsHealthCheckPort(old) && old.healthCheckNodePort !== undefined) {
    causes.push(...immutable('spec.healthCheckNodePort', spec.healthCheckNodePort, old.healthCheckNodePort));
  }
  return causes;
}

function validateExternalName({ type, externalName = '' }: Spec): ErrorCause[] {
  if (type !== 'ExternalName') return [];
  const name = externalName.replace(/\.$/, '');
  return name === '' ? [required('spec.externalName')] : byRule('spec.externalName', name, dnsSubdomain);
}

/** Without affinity there is no configuration: defaulting has dropped it. */
function validateAffinity({ sessionAffinity, sessionAffinityConfig: config }: Spec): ErrorCause[] {
  if (sessionAffinity !== 'ClientIP') return [];
  const seconds = config?.clientIP?.timeoutSeconds ?? 0;
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return [];
  const why = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
  return [invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, why)];
}

function validateExternalAddresses({ externalIPs = [] }: Spec): ErrorCause[] {
  return externalIPs.flatMap((address, i) => [
    ...byRule(`spec.externalIPs[${i}]`, address, ipAddress),
    ...byRule(`spec.externalIPs[${i}]`, address, ordinaryAddress),
  ]);
}

function validateBalancer({ type, allocateLoadBalancerNodePorts, loadBalancerClass }: Spec): ErrorCause[] {
  if (type === 'LoadBalancer') {
    return loadBalancerClass === undefined ? [] : byRule('spec.loadBalancerClass', loadBalancerClass, qualifiedName);
  }
  const causes: ErrorCause[] = [];
  if (allocateLoadBalancerNodePorts !== undefined) {
    causes.push(forbidden('spec.allocateLoadBalancerNodePorts', ONLY_BALANCED));
  }
  if (loadBalancerClass !== undefined) causes.push(forbidden('spec.loadBalancerClass', ONLY_BALANCED));
  return causes;
}

/** The field counts; without it the annotation that came before it. */
function validateSourceRanges(
  { type, loadBalancerSourceRanges: ranges = [] }: Spec,
  annotation: string | undefined,
): ErrorCause[] {
  if (ranges.length === 0 && annotation === undefined) return [];
  const fromField = ranges.length > 0;
  const field = fromField ? 'spec.loadBalancerSourceRanges' : joinPath('metadata.annotations', RANGES_ANNOTATION);
  if (type !== 'LoadBalancer') return [forbidden(field, ONLY_BALANCED)];
  const given = fromField ? ranges : (annotation ?? '').split(',').filter((range) => range.trim() !== '');
  return given.flatMap((range, i) => {
    if (cidr(range.trim()).length === 0) return [];
    const why = 'must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24';
    return [invalid(fromField ? `${field}[${i}]` : field, range, why)];
  });
}

function validateOutside(spec: Spec): ErrorCause[] {
  const { externalTrafficPolicy: policy = '', healthCheckNodePort: port = 0 } = spec;
  const causes: ErrorCause[] = [];
  if (policy !== '' && !isReachedFromOutside(spec)) {
    const why = 'may only be set for externally-accessible services';
    causes.push(invalid('spec.externalTrafficPolicy', policy, why));
  }
  if (port === 0) return causes;
  if (!needsHealthCheckPort(spec)) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    causes.push(invalid('spec.healthCheckNodePort', port, why));
  } else causes.push(...inRange('spec.healthCheckNodePort', port, [1, MAX_PORT]));
  return causes;
}

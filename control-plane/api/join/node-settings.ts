import type { joinv1 } from '../../../proto/index.ts';
import { NODE_PORTS } from '../../resources/service-ports.ts';
import type { AddressRange } from '../allocation/address-range.ts';

/** The options of the server that nodes must know. */
export interface ClusterOptions {
  readonly serviceRange: AddressRange;
  readonly podRange: { readonly cidr: string };
  readonly clusterDomain: string;
}

/** Place of the cluster's DNS in the range of services, as everywhere. */
const DNS_INDEX = 10;

/** What all nodes of the cluster share. */
export function nodeSettings(
  { serviceRange, podRange, clusterDomain }: ClusterOptions,
  servers: string[],
): joinv1.NodeSettingsReply {
  return {
    clusterCidr: podRange.cidr,
    serviceCidr: serviceRange.cidr,
    clusterDomain,
    // In a range too small for that number, the last address there is.
    dnsAddress: serviceRange.addressAt(Math.min(DNS_INDEX, serviceRange.size - 2)),
    nodePortFirst: NODE_PORTS.first,
    nodePortLast: NODE_PORTS.last,
    servers,
  };
}

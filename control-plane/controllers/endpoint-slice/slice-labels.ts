/** Labels that say what an EndpointSlice is of, and the one that says where a Node is. */

/** Name of the Service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Who writes the slice; nobody else should. */
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
/** There, and empty, when the Service has no address. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';
/** Zone of a Node. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** On Endpoints: do not mirror them. */
export const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';

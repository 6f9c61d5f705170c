/** The names of what quotas count. */

const STORAGE_CLASS_MARK = '.storageclass.storage.k8s.io/';

/** Counts of objects under the names they had before `count/…`, by plural name of the kind. */
export const COUNTED_KINDS: ReadonlySet<string> = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
]);

const SERVICE_PORTS: ReadonlySet<string> = new Set(['services.nodeports', 'services.loadbalancers']);

/** What pods ask for, under every name it goes by. */
const COMPUTE: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
]);

/** What every container of a pod must name where a quota counts it. */
export const MUST_BE_SPECIFIED: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'requests.cpu',
  'requests.memory',
  'limits.cpu',
  'limits.memory',
]);

/** Whether a name without a slash is one that quotas know. */
export function isStandardQuotaResource(name: string): boolean {
  return (
    COUNTED_KINDS.has(name) ||
    SERVICE_PORTS.has(name) ||
    COMPUTE.has(name) ||
    name === 'storage' ||
    name === 'requests.storage' ||
    isHugePages(name) ||
    // Devices: `requests.example.com/gpu` has its slash further on.
    name.startsWith('requests.')
  );
}

/** Whether only whole amounts of it make sense. */
export function isWholeQuotaResource(name: string): boolean {
  return (
    COUNTED_KINDS.has(name) ||
    SERVICE_PORTS.has(name) ||
    name.startsWith('count/') ||
    name.endsWith(`${STORAGE_CLASS_MARK}persistentvolumeclaims`)
  );
}

/** Whether a quota of that scope may count `resource`. */
export function isScopedResource(scope: string, resource: string): boolean {
  if (scope === 'BestEffort') return resource === 'pods';
  return resource === 'pods' || COMPUTE.has(resource) || isHugePages(resource);
}

function isHugePages(name: string): boolean {
  return /^(requests\.)?hugepages-/.test(name);
}

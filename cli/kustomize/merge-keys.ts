/**
 * How lists of built-in kinds merge, by the field that holds them and the field around that: `name` means "elements with equal
 * names are the same", `set` that the list is a set of values. Lists that are not here are replaced as a whole, and so are all
 * lists of custom kinds.
 *
 * The command line carries no schema (the server has it), and these thirty lines say all of it that a patch needs. A test
 * compares them with the schema, every list of every kind.
 */
const IN_CONTAINERS: Readonly<Record<string, string>> = {
  env: 'name',
  ports: 'containerPort',
  volumeDevices: 'devicePath',
  volumeMounts: 'mountPath',
};

const KEYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '': { secrets: 'name', webhooks: 'name' },
  containers: IN_CONTAINERS,
  ephemeralContainers: IN_CONTAINERS,
  initContainers: IN_CONTAINERS,
  metadata: { finalizers: 'set', ownerReferences: 'uid' },
  resources: { claims: 'name' },
  spec: {
    containers: 'name',
    drivers: 'name',
    ephemeralContainers: 'name',
    hostAliases: 'ip',
    imagePullSecrets: 'name',
    initContainers: 'name',
    podCIDRs: 'set',
    ports: 'port',
    resourceClaims: 'name',
    schedulingGates: 'name',
    topologySpreadConstraints: 'topologyKey',
    volumes: 'name',
  },
  webhooks: { matchConditions: 'name' },
};

const ANYWHERE: Readonly<Record<string, string>> = { 'x-kubernetes-validations': 'rule' };

/** The key that tells elements of the list `field` apart, `set` for a set, undefined for a list that is replaced whole. */
export function mergeKeyOf(around: string, field: string): string | undefined {
  const within = Object.hasOwn(KEYS, around) ? KEYS[around] : undefined;
  if (within !== undefined && Object.hasOwn(within, field)) return within[field];
  return Object.hasOwn(ANYWHERE, field) ? ANYWHERE[field] : undefined;
}

/** Groups of the kinds that Kubernetes itself has; only their lists merge. */
export function isBuiltInGroup(group: string): boolean {
  if (['', 'apps', 'autoscaling', 'batch', 'extensions', 'policy'].includes(group)) return true;
  return group.endsWith('.k8s.io') && !CUSTOM_GROUPS.test(group);
}

/** Groups of kinds under k8s.io that are definitions of their own projects. */
const CUSTOM_GROUPS =
  /^(?:gateway\.networking|snapshot\.storage|metrics|custom\.metrics|external\.metrics|.*\.x)\.k8s\.io$/;

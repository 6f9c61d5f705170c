import { podSpecPath } from './kinds.ts';
import type { Resource } from './resource.ts';
import { isTreeMap, type TreeMap, visitField } from './tree.ts';

/** A field that names another object: in which kind, where, and objects of which kind. */
type Reference = readonly [kind: string, path: string, target: string];

const OF_CONTAINERS: readonly (readonly [string, string])[] = [
  ['env/valueFrom/configMapKeyRef/name', 'ConfigMap'],
  ['env/valueFrom/secretKeyRef/name', 'Secret'],
  ['envFrom/configMapRef/name', 'ConfigMap'],
  ['envFrom/secretRef/name', 'Secret'],
];

const OF_PODS: readonly (readonly [string, string])[] = [
  ...['containers', 'initContainers', 'ephemeralContainers'].flatMap((list) =>
    OF_CONTAINERS.map(([path, target]) => [`${list}/${path}`, target] as const),
  ),
  ['volumes/configMap/name', 'ConfigMap'],
  ['volumes/projected/sources/configMap/name', 'ConfigMap'],
  ['volumes/projected/sources/secret/name', 'Secret'],
  ['volumes/secret/secretName', 'Secret'],
  ['volumes/persistentVolumeClaim/claimName', 'PersistentVolumeClaim'],
  ['imagePullSecrets/name', 'Secret'],
  ['serviceAccountName', 'ServiceAccount'],
  ['serviceAccount', 'ServiceAccount'],
  ['priorityClassName', 'PriorityClass'],
  ['runtimeClassName', 'RuntimeClass'],
];

const OTHERS: readonly Reference[] = [
  ['Ingress', 'spec/tls/secretName', 'Secret'],
  ['Ingress', 'spec/ingressClassName', 'IngressClass'],
  ['Ingress', 'spec/rules/http/paths/backend/service/name', 'Service'],
  ['Ingress', 'spec/defaultBackend/service/name', 'Service'],
  ['Ingress', 'metadata/annotations/ingress.kubernetes.io\\/auth-secret', 'Secret'],
  ['Ingress', 'metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret', 'Secret'],
  ['Ingress', 'metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret', 'Secret'],
  ['Ingress', 'metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap', 'ConfigMap'],
  ['HTTPRoute', 'spec/rules/backendRefs/name', 'Service'],
  ['ServiceAccount', 'imagePullSecrets/name', 'Secret'],
  ['StatefulSet', 'spec/serviceName', 'Service'],
  ['StatefulSet', 'spec/volumeClaimTemplates/spec/storageClassName', 'StorageClass'],
  ['PersistentVolume', 'spec/storageClassName', 'StorageClass'],
  ['PersistentVolume', 'spec/azureFile/secretName', 'Secret'],
  ['PersistentVolumeClaim', 'spec/storageClassName', 'StorageClass'],
  ['PersistentVolumeClaim', 'spec/volumeName', 'PersistentVolume'],
  ['Role', 'rules/resourceNames', 'ConfigMap'],
  ['Role', 'rules/resourceNames', 'Secret'],
  ['ClusterRole', 'rules/resourceNames', 'ConfigMap'],
  ['ClusterRole', 'rules/resourceNames', 'Secret'],
  ['ClusterRole', 'rules/resourceNames', 'PersistentVolume'],
  ['StorageClass', 'parameters/secretName', 'Secret'],
  ['StorageClass', 'parameters/adminSecretName', 'Secret'],
  ['StorageClass', 'parameters/userSecretName', 'Secret'],
  ['APIService', 'spec/service/name', 'Service'],
];

/**
 * Makes every reference to an object of the set follow its present name (and, where it is told beside, its namespace). What is
 * not in the set is left as it is; so is a name that several objects once had.
 */
export function followNames(resources: readonly Resource[]): void {
  const index = new NameIndex(resources);
  for (const resource of resources) {
    const pod = podSpecPath(resource.kind);
    if (pod !== undefined) for (const [path, target] of OF_PODS) index.follow(resource, `${pod}/${path}`, target);
    for (const [kind, path, target] of OTHERS) if (kind === resource.kind) index.follow(resource, path, target);
    switch (resource.kind) {
      case 'HorizontalPodAutoscaler':
        index.followObject(resource, resource.value, 'spec/scaleTargetRef');
        break;
      case 'RoleBinding':
      case 'ClusterRoleBinding':
        index.followObject(resource, resource.value, 'roleRef');
        index.followSubjects(resource);
        break;
      case 'ValidatingWebhookConfiguration':
      case 'MutatingWebhookConfiguration':
        index.followServices(resource, 'webhooks/clientConfig/service');
        break;
    }
  }
}

class NameIndex {
  readonly #byKind = new Map<string, Resource[]>();

  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      const same = this.#byKind.get(resource.kind);
      if (same === undefined) this.#byKind.set(resource.kind, [resource]);
      else same.push(resource);
    }
  }

  /** The field at `path`: a name, or a list of names. */
  follow(from: Resource, path: string, target: string): void {
    if (!this.#byKind.has(target)) return;
    const present = (name: string): string => this.#find(target, name, from.namespace)?.name ?? name;
    visitField(from.value, path, {
      create: false,
      visit: (holder, key) => {
        const value = holder[key];
        if (typeof value === 'string') holder[key] = present(value);
        else if (Array.isArray(value))
          holder[key] = value.map((item) => (typeof item === 'string' ? present(item) : item));
      },
    });
  }

  /** A reference that says the kind itself. */
  followObject(from: Resource, root: TreeMap, path: string): void {
    visitField(root, path, {
      create: false,
      visit: (holder, key) => {
        const ref = holder[key];
        if (!isTreeMap(ref) || typeof ref.kind !== 'string' || typeof ref.name !== 'string') return;
        ref.name = this.#find(ref.kind, ref.name, from.namespace)?.name ?? ref.name;
      },
    });
  }

  followSubjects(from: Resource): void {
    const { subjects } = from.value;
    if (!Array.isArray(subjects)) return;
    for (const subject of subjects) {
      if (isTreeMap(subject) && subject.kind === 'ServiceAccount') this.#followThere('ServiceAccount', subject);
    }
  }

  followServices(from: Resource, path: string): void {
    visitField(from.value, path, {
      create: false,
      visit: (holder, key) => {
        const service = holder[key];
        if (isTreeMap(service)) this.#followThere('Service', service);
      },
    });
  }

  /** A reference with a namespace beside the name. */
  #followThere(kind: string, reference: TreeMap): void {
    const { name, namespace } = reference;
    if (typeof name !== 'string') return;
    const there = typeof namespace === 'string' ? namespace : undefined;
    const found = this.#candidates(kind, name).filter(
      (one) => there === undefined || one.namespaces.some((was) => (was || 'default') === there),
    );
    const [only] = found;
    if (only === undefined || found.length > 1) return;
    reference.name = only.name;
    if (only.namespace !== '') reference.namespace = only.namespace;
  }

  #find(kind: string, name: string, namespace: string): Resource | undefined {
    const all = this.#candidates(kind, name);
    const near = all.filter((one) => one.namespace === '' || namespace === '' || one.namespace === namespace);
    const present = near.filter((one) => one.name === name);
    const found = present.length > 0 ? present : near;
    return found.length === 1 ? found[0] : undefined;
  }

  #candidates(kind: string, name: string): Resource[] {
    return (this.#byKind.get(kind) ?? []).filter((one) => one.names.includes(name));
  }
}

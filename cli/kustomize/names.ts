import { isClusterKind, keepsItsName } from './kinds.ts';
import type { Resource } from './resource.ts';
import { isTreeMap, visitField } from './tree.ts';

/** Puts everything that lives in a namespace into `namespace`, and names the Namespace itself so. */
export function setNamespace(resources: readonly Resource[], namespace: string): void {
  const clusterScoped = definedAsClusterScoped(resources);
  for (const resource of resources) {
    const { kind, group, metadata } = resource;
    resource.remember();
    if (kind === 'Namespace' && group === '') metadata.name = namespace;
    else if (!isClusterKind(kind) && !clusterScoped.has(`${kind}.${group}`)) metadata.namespace = namespace;
    if (kind === 'RoleBinding' || kind === 'ClusterRoleBinding') setDefaultSubjects(resource, namespace);
    if (kind === 'APIService') setServiceNamespace(resource, 'spec/service/namespace', namespace);
    if (kind === 'CustomResourceDefinition') {
      setServiceNamespace(resource, 'spec/conversion/webhook/clientConfig/service/namespace', namespace);
    }
  }
}

function definedAsClusterScoped(resources: readonly Resource[]): ReadonlySet<string> {
  const found = resources.flatMap(({ kind, value: { spec } }) => {
    if (kind !== 'CustomResourceDefinition' || !isTreeMap(spec) || spec.scope !== 'Cluster') return [];
    const names = isTreeMap(spec.names) ? spec.names : {};
    return typeof names.kind === 'string' && typeof spec.group === 'string' ? [`${names.kind}.${spec.group}`] : [];
  });
  return new Set(found);
}

/** The account every namespace has is meant where it is bound; others follow their ServiceAccount, see name-references.ts. */
function setDefaultSubjects(resource: Resource, namespace: string): void {
  const { subjects } = resource.value;
  if (!Array.isArray(subjects)) return;
  for (const subject of subjects) {
    if (isTreeMap(subject) && subject.kind === 'ServiceAccount' && subject.name === 'default')
      subject.namespace = namespace;
  }
}

function setServiceNamespace(resource: Resource, path: string, namespace: string): void {
  visitField(resource.value, path, {
    create: false,
    visit: (holder, key) => {
      holder[key] = namespace;
    },
  });
}

/** Puts `prefix` before and `suffix` after all names but those that are fixed. */
export function addToNames(
  resources: readonly Resource[],
  { prefix, suffix }: { readonly prefix: string; readonly suffix: string },
): void {
  if (prefix === '' && suffix === '') return;
  for (const resource of resources) {
    if (keepsItsName(resource.kind)) continue;
    resource.remember();
    resource.metadata.name = `${prefix}${resource.name}${suffix}`;
  }
}

/** The lists by which clients of the Kubernetes API find out what is served, made from the server's list of kinds. */
import type { apiv1 } from '../../proto/api.ts';
import type { JsonObject } from '../manifest/json-value.ts';

type Kinds = readonly apiv1.KindInfo[];

/** `/api`: the versions of the kinds without a group. */
export function coreVersions(kinds: Kinds): JsonObject {
  return { kind: 'APIVersions', versions: versionsOf(kinds, '') };
}

/** `/apis`: every group with its versions. */
export function apiGroups(kinds: Kinds): JsonObject {
  const names = [...new Set(kinds.map(({ group = '' }) => group))].filter((group) => group !== '').sort();
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: names.map((name) => groupOf(kinds, name)) };
}

/** `/apis/<group>`; undefined when there is none. */
export function apiGroup(kinds: Kinds, group: string): JsonObject | undefined {
  if (group === '' || versionsOf(kinds, group).length === 0) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(kinds, group) };
}

/** `/api/v1` and `/apis/<group>/<version>`: the resources of one version; undefined when there is none. */
export function apiResources(kinds: Kinds, group: string, version: string): JsonObject | undefined {
  const own = kinds.filter((kind) => (kind.group ?? '') === group && kind.version === version);
  if (own.length === 0) return undefined;
  const resources = own.map(({ plural = '', singular = '', namespaced, kind = '', verbs = [], shortNames = [] }) => ({
    name: plural,
    singularName: singular,
    namespaced: namespaced === true,
    kind,
    verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
  }));
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources,
  };
}

function groupOf(kinds: Kinds, name: string): JsonObject {
  const versions = versionsOf(kinds, name).map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, ...(versions[0] === undefined ? {} : { preferredVersion: versions[0] }) };
}

/** Versions of a group, the newest first: stable ones before beta before alpha. */
function versionsOf(kinds: Kinds, group: string): string[] {
  const versions = new Set(kinds.filter((kind) => (kind.group ?? '') === group).map(({ version = '' }) => version));
  return [...versions].sort((a, b) => stability(b) - stability(a));
}

const STAGES: Readonly<Record<string, number>> = { '': 2, beta: 1, alpha: 0 };

function stability(version: string): number {
  const [, major = '0', stage = '', minor = '0'] = /^v(\d+)(alpha|beta)?(\d+)?$/.exec(version) ?? [];
  return (STAGES[stage] ?? 0) * 1_000_000 + Number(major) * 1000 + Number(minor);
}

import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isJsonObject, type JsonValue } from '../manifest/json-value.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { ManifestError } from '../manifest/manifest-error.ts';
import { type ReadManifestsOptions, readManifests } from '../manifest/read-manifests.ts';
import { appendHashes, finishGenerated, generate } from './generators.ts';
import { changeImages } from './images.ts';
import { isFolder, KustomizationFile } from './kustomization-file.ts';
import { setAnnotations, setLabels } from './labels.ts';
import { followNames } from './name-references.ts';
import { addToNames, setNamespace } from './names.ts';
import { inPrintedOrder } from './order.ts';
import { patch } from './patches.ts';
import { replace } from './replacements.ts';
import { Resource } from './resource.ts';
import { mapIn } from './tree.ts';

/**
 * The objects that the kustomization in `folder` makes, in the order kustomize prints them. Throws a {@link ManifestError} at
 * its place for whatever is wrong or not supported.
 */
export async function buildKustomization(folder: string, options: ReadManifestsOptions): Promise<Manifest[]> {
  if (!(await isFolder(folder))) throw new ManifestError([{ file: folder, message: 'there is no such folder' }]);
  const build: Build = { options, open: [] };
  const file = await KustomizationFile.read(folder);
  const resources = await accumulate(file, [], build);
  appendHashes(resources);
  followNames(resources);
  finishGenerated(resources);
  const ordered = isFifo(file) ? resources : inPrintedOrder(resources);
  return ordered.map((resource) => resource.toManifest());
}

interface Build {
  readonly options: ReadManifestsOptions;
  /** The folders being read, from the outermost on: none may be part of itself. */
  readonly open: readonly string[];
}

/** Everything a kustomization makes out of `given` (what a component is put over; else nothing) and its own resources. */
async function accumulate(file: KustomizationFile, given: readonly Resource[], build: Build): Promise<Resource[]> {
  const inside = await entering(file, build);
  const resources: Resource[] = [...given];
  for (const [name, path] of [...file.texts('bases'), ...file.texts('resources')]) {
    resources.push(...(await readResource(file, { name, path }, inside)));
  }
  refuseTwins(resources);
  await generate(file, resources);
  let all = resources;
  for (const [name, path] of file.texts('components')) {
    const component = await readFolder(file, { name, path });
    if (!component.isComponent) throw file.error(path, `${component.path} is not of kind Component`);
    all = await accumulate(component, all, inside);
  }
  return transform(file, all);
}

async function entering(file: KustomizationFile, { options, open }: Build): Promise<Build> {
  const folder = await realpath(file.folder);
  if (open.includes(folder)) {
    throw new ManifestError([{ file: file.path, message: 'the kustomization is part of itself' }]);
  }
  return { options, open: [...open, folder] };
}

interface Named {
  readonly name: string;
  readonly path: string;
}

async function readResource(file: KustomizationFile, { name, path }: Named, build: Build): Promise<Resource[]> {
  if (isRemote(name)) return readRemote(file, { name, path }, build);
  if (await isFolder(join(file.folder, name))) {
    const folder = await readFolder(file, { name, path });
    if (folder.isComponent) throw file.error(path, `${folder.path} is a Component: list it under "components"`);
    return accumulate(folder, [], build);
  }
  const at = await file.filePath(name, path);
  return (await readManifests([at], build.options)).map((manifest) => new Resource(manifest));
}

/** Addresses of files are fetched; repositories are not: which program would, and what it may run, is for people to say. */
async function readRemote(file: KustomizationFile, { name, path }: Named, build: Build): Promise<Resource[]> {
  if (/^https?:\/\/.*\.(?:ya?ml|json)$/.test(name)) {
    return (await readManifests([name], build.options)).map((manifest) => new Resource(manifest));
  }
  throw file.error(
    path,
    `"${name}" is not fetched: only files (http addresses that end in .yaml) can be elsewhere; clone it and name the folder`,
  );
}

function isRemote(name: string): boolean {
  return /^(?:https?:\/\/|git@|ssh:\/\/|git::|oci:\/\/|[\w-]+\.(?:com|org|io)\/)/.test(name) || /[?&]ref=/.test(name);
}

async function readFolder(file: KustomizationFile, { name, path }: Named): Promise<KustomizationFile> {
  const folder = join(file.folder, name);
  if (!(await isFolder(folder))) throw file.error(path, `${folder}: there is no such folder`);
  if (resolve(folder) === resolve(file.folder)) throw file.error(path, 'the kustomization is part of itself');
  return KustomizationFile.read(folder);
}

/** Two objects of one kind, namespace and name would be one when applied. */
function refuseTwins(resources: readonly Resource[]): void {
  const known = new Map<string, Resource>();
  for (const resource of resources) {
    const { kind, group, name, namespace } = resource;
    const key = JSON.stringify([group, kind, namespace, name]);
    const twin = name === '' ? undefined : known.get(key);
    known.set(key, resource);
    if (twin === undefined) continue;
    const { file: at, position } = twin.toManifest().problemAt('kind', '');
    const where = position === undefined ? at : `${at}:${position.line}`;
    const message = `there is a ${resource.label} already, in ${where}`;
    throw new ManifestError([resource.toManifest().problemAt('metadata.name', message)]);
  }
}

/** What a kustomization does to its objects, in kustomize's order. */
async function transform(file: KustomizationFile, resources: readonly Resource[]): Promise<Resource[]> {
  const { value } = file;
  const left = await patch(file, resources);
  const namespace = file.text(value.namespace, 'namespace');
  if (namespace !== '') setNamespace(left, namespace);
  addToNames(left, {
    prefix: file.text(value.namePrefix, 'namePrefix'),
    suffix: file.text(value.nameSuffix, 'nameSuffix'),
  });
  refuseTwins(left);
  labelAll(file, left);
  setReplicas(file, left);
  setImages(file, left);
  followNames(left);
  await replace(file, left);
  return left;
}

function labelAll(file: KustomizationFile, resources: readonly Resource[]): void {
  const common = file.textMap(file.value.commonLabels, 'commonLabels');
  const entries = file.maps('labels').map(([entry, path]) => {
    file.checkKeys(entry, path, ['pairs', 'includeSelectors', 'includeTemplates']);
    return {
      pairs: file.textMap(entry.pairs, `${path}.pairs`),
      selectors: entry.includeSelectors === true,
      templates: entry.includeTemplates === true,
    };
  });
  const annotations = file.textMap(file.value.commonAnnotations, 'commonAnnotations');
  for (const resource of resources) {
    for (const { pairs, ...reach } of entries) setLabels(resource, pairs, reach);
    if (Object.keys(common).length > 0) setLabels(resource, common, { selectors: true, templates: true });
    if (Object.keys(annotations).length > 0) setAnnotations(resource, annotations);
  }
}

const SCALED = ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet'];

function setReplicas(file: KustomizationFile, resources: readonly Resource[]): void {
  for (const [entry, path] of file.maps('replicas')) {
    file.checkKeys(entry, path, ['name', 'count']);
    const name = file.text(entry.name, `${path}.name`);
    if (typeof entry.count !== 'number') throw file.error(`${path}.count`, 'a number is expected here');
    const found = resources.filter((one) => SCALED.includes(one.kind) && one.names.includes(name));
    if (found.length === 0) throw file.error(`${path}.name`, `there is no ${SCALED.join(', ')} "${name}"`);
    for (const resource of found) mapIn(resource.value, 'spec').replicas = entry.count;
  }
}

function setImages(file: KustomizationFile, resources: readonly Resource[]): void {
  for (const [entry, path] of file.maps('images')) {
    file.checkKeys(entry, path, ['name', 'newName', 'newTag', 'tagSuffix', 'digest']);
    const optional = (field: string): string | undefined => {
      const given: JsonValue | undefined = entry[field];
      return given === undefined || given === '' ? undefined : file.text(given, `${path}.${field}`);
    };
    const name = file.text(entry.name, `${path}.name`);
    if (name === '') throw file.error(path, 'the image has no name');
    const change = {
      name,
      newName: optional('newName'),
      newTag: optional('newTag'),
      tagSuffix: optional('tagSuffix'),
      digest: optional('digest'),
    };
    for (const resource of resources) {
      if (resource.kind !== 'CustomResourceDefinition') changeImages(resource.value, change);
    }
  }
}

function isFifo(file: KustomizationFile): boolean {
  const { sortOptions } = file.value;
  if (sortOptions === undefined || sortOptions === null) return false;
  if (!isJsonObject(sortOptions)) throw file.error('sortOptions', 'a map is expected here');
  file.checkKeys(sortOptions, 'sortOptions', ['order']);
  if (sortOptions.order !== 'fifo' && sortOptions.order !== 'legacy')
    throw file.error('sortOptions.order', 'the order is legacy or fifo');
  return sortOptions.order === 'fifo';
}

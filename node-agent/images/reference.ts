/** Image names, read as Docker and Kubernetes read them. */

import { ImageError } from './image-store.ts';

/** A name taken apart and completed. */
export interface ImageReference {
  /** Host and optional port of the registry: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path within the registry: `library/nginx`. */
  readonly repository: string;
  /** Set when written, and `latest` when neither tag nor digest was written. */
  readonly tag?: string;
  /** `sha256:<hex>`; wins over the tag. */
  readonly digest?: string;
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const REGISTRY = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
const HEX_ID = /^[a-f0-9]{64}$/;
const MAX_NAME_LENGTH = 255;

/**
 * Reads a name as written in a manifest: `nginx` is `docker.io/library/nginx:latest`, and what stands before the first
 * slash is a registry only when it has a dot, a port, a capital or is `localhost`. Throws `InvalidName`.
 */
export function parseReference(text: string): ImageReference {
  const refuse = (because: string): never => {
    throw new ImageError('InvalidName', `Cannot use the image name ${JSON.stringify(text.slice(0, 300))}: ${because}`);
  };
  if (text === '') {
    refuse('it is empty');
  }
  if (HEX_ID.test(text)) {
    refuse('64 hexadecimal digits are an image id, not a name');
  }
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !DIGEST.test(digest)) {
    refuse('the part after @ must be sha256: and 64 hexadecimal digits in lower case');
  }
  const beforeDigest = at < 0 ? text : text.slice(0, at);
  const colon = beforeDigest.lastIndexOf(':');
  const hasTag = colon > beforeDigest.lastIndexOf('/');
  const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) {
    refuse('a tag has 1 to 128 letters, digits, _, . and -, and starts with none of . and -');
  }
  const { registry, repository } = splitRegistry(hasTag ? beforeDigest.slice(0, colon) : beforeDigest);
  if (!REGISTRY.test(registry)) {
    refuse(`${JSON.stringify(registry)} is not a registry's host name`);
  }
  if (repository === '' || !repository.split('/').every((part) => COMPONENT.test(part))) {
    refuse(
      repository !== repository.toLowerCase()
        ? 'repository names are in lower case'
        : 'a repository is lower-case letters and digits, with single ., _, __ or dashes between them, and slashes',
    );
  }
  if (registry.length + 1 + repository.length > MAX_NAME_LENGTH) {
    refuse(`it is longer than ${MAX_NAME_LENGTH} characters`);
  }
  const shownTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    registry,
    repository,
    ...(shownTag === undefined ? {} : { tag: shownTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitRegistry(name: string): { readonly registry: string; readonly repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = /[.:A-Z]/.test(first) || first === 'localhost';
  const registry = isRegistry ? (first === 'index.docker.io' ? 'docker.io' : first) : 'docker.io';
  const path = isRegistry ? name.slice(slash + 1) : name;
  return { registry, repository: registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path };
}

/** Registry and repository: `docker.io/library/nginx`. */
export function repositoryName(reference: ImageReference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** The one full name by which a store knows this image: by digest when there is one, else by tag. */
export function fullName(reference: ImageReference): string {
  const name = repositoryName(reference);
  return reference.digest === undefined ? `${name}:${reference.tag ?? 'latest'}` : `${name}@${reference.digest}`;
}

/** {@link fullName} of a name as written. Throws `InvalidName`. */
export function normalizeReference(text: string): string {
  return fullName(parseReference(text));
}

/** Whether the text means an image id: `sha256:<hex>`, or at least 12 hexadecimal digits of one. */
export function isImageId(text: string): boolean {
  return /^(?:sha256:)?[a-f0-9]{12,64}$/.test(text);
}

/** Whether a text can be read as a name at all. */
export function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

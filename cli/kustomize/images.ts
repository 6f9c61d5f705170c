import { isTreeMap, type Tree } from './tree.ts';

/** What becomes of an image. Parts that are absent stay as they are. */
export interface ImageChange {
  readonly name: string;
  readonly newName: string | undefined;
  readonly newTag: string | undefined;
  readonly tagSuffix: string | undefined;
  readonly digest: string | undefined;
}

/** Changes the images of all containers anywhere in an object. */
export function changeImages(value: Tree, change: ImageChange): void {
  if (Array.isArray(value)) for (const item of value) changeImages(item, change);
  if (!isTreeMap(value)) return;
  for (const [key, child] of Object.entries(value)) {
    if ((key === 'containers' || key === 'initContainers' || key === 'ephemeralContainers') && Array.isArray(child)) {
      for (const container of child) {
        if (isTreeMap(container) && typeof container.image === 'string')
          container.image = changedImage(container.image, change);
      }
    }
    changeImages(child, change);
  }
}

/** `image` with the change, if it is about this image. */
function changedImage(image: string, change: ImageChange): string {
  const { name, tag, digest } = splitImage(image);
  if (name !== change.name) return image;
  const newName = change.newName ?? name;
  if (change.digest !== undefined)
    return `${newName}${change.newTag === undefined ? '' : `:${change.newTag}`}@${change.digest}`;
  if (change.newTag !== undefined) return `${newName}:${change.newTag}${change.tagSuffix ?? ''}`;
  if (change.tagSuffix !== undefined && tag !== '') return `${newName}:${tag}${change.tagSuffix}`;
  return `${newName}${tag === '' ? '' : `:${tag}`}${digest === '' ? '' : `@${digest}`}`;
}

function splitImage(image: string): { name: string; tag: string; digest: string } {
  const at = image.indexOf('@');
  const digest = at === -1 ? '' : image.slice(at + 1);
  const rest = at === -1 ? image : image.slice(0, at);
  const colon = rest.lastIndexOf(':');
  if (colon <= rest.lastIndexOf('/')) return { name: rest, tag: '', digest };
  return { name: rest.slice(0, colon), tag: rest.slice(colon + 1), digest };
}

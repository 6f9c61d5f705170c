import type { Informer } from '../../lib/informer.ts';
import type { KubeObject, ResourceType } from '../../proto/index.ts';
import type { ControllerContext } from './controller.ts';

/** Which kinds are followed, and how: `follow` adds the handlers. */
export interface KindFollower {
  readonly wants: (type: ResourceType) => boolean;
  readonly follow: (informer: Informer<KubeObject>, type: ResourceType) => void;
}

/** Follows the metadata of every kind that is wanted, once: those that are served now, and those that come. */
export function followKinds(
  { informers, kinds }: Pick<ControllerContext, 'informers' | 'kinds'>,
  { wants, follow }: KindFollower,
): void {
  const followed = new WeakSet<Informer<KubeObject>>();
  const followNew = (): void => {
    for (const type of kinds.list().filter(wants)) {
      const informer = informers.metadataOf(type);
      if (followed.has(informer)) continue;
      followed.add(informer);
      follow(informer, type);
    }
  };
  followNew();
  kinds.onChange(followNew);
}

/** Prefers nodes that have the pod's images already, the larger the more. */
import type { SchedulerPlugin } from '../plugin.ts';

const MIB = 1024 * 1024;
/** Images smaller than this together are pulled so fast that they do not count. */
const LOWEST_BYTES = 23 * MIB;
/** Per container: what is larger counts no more. */
const HIGHEST_BYTES_PER_CONTAINER = 1000 * MIB;

/** The plugin. */
export const imageLocality: SchedulerPlugin = {
  name: 'ImageLocality',
  helpedBy: [],
  compile: ({ spec }) => {
    const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
    const images = containers.map((container) => namesOf(container.image ?? ''));
    const highest = HIGHEST_BYTES_PER_CONTAINER * Math.max(1, images.length);
    return {
      score: (node) => {
        if (node.images.size === 0) return 0;
        let bytes = 0;
        for (const names of images) {
          for (const name of names) {
            const size = node.images.get(name);
            if (size === undefined) continue;
            bytes += size;
            break;
          }
        }
        const counted = Math.min(Math.max(bytes, LOWEST_BYTES), highest);
        return (100 * (counted - LOWEST_BYTES)) / (highest - LOWEST_BYTES);
      },
    };
  },
};

/** The names a node may report for what a manifest calls `image`. */
function namesOf(image: string): string[] {
  const last = image.slice(image.lastIndexOf('/') + 1);
  const tagged = last.includes(':') || last.includes('@') ? image : `${image}:latest`;
  const slash = tagged.indexOf('/');
  const host = slash < 0 ? '' : tagged.slice(0, slash);
  if (host.includes('.') || host.includes(':') || host === 'localhost') return [tagged];
  return [tagged, slash < 0 ? `docker.io/library/${tagged}` : `docker.io/${tagged}`];
}

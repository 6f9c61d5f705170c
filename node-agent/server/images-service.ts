/** The Images service: what `skiff image` asks of this machine. */
import { PassThrough } from 'node:stream';
import type {
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ApiError } from '../../lib/errors.ts';
import type { agentv1 } from '../../proto/index.ts';
import type { Image, ImageProgress, ImageStore } from '../images/image-store.ts';
import { serviceError } from './service-error.ts';

/** The handlers. `changed` is called when the images of the node may have. */
export function imageHandlers(images: ImageStore, changed: () => void): UntypedServiceImplementation {
  const load: handleClientStreamingCall<agentv1.LoadRequest, agentv1.LoadReply> = (call, callback) => {
    const archive = new PassThrough();
    const gone = new AbortController();
    let names: readonly string[] = [];
    call.on('data', ({ data, references = [] }: agentv1.LoadRequest) => {
      if (references.length > 0) names = references;
      if (data !== undefined && data.length > 0 && !archive.write(data)) {
        call.pause();
        archive.once('drain', () => call.resume());
      }
    });
    call.on('end', () => archive.end());
    const abandon = (): void => {
      gone.abort(new Error('the caller has gone'));
      archive.destroy();
    };
    call.on('cancelled', abandon);
    call.on('error', abandon);
    archive.on('error', () => undefined);
    takeIn(images, archive, () => names, gone.signal).then(
      (loaded) => {
        changed();
        callback(null, { images: loaded.map(imageMessage) });
      },
      (err: unknown) => {
        // What is still on its way is let through, or the caller would wait for it to be taken.
        archive.resume();
        callback(serviceError(err));
      },
    );
  };
  const list: handleUnaryCall<agentv1.ListImagesRequest, agentv1.ListImagesReply> = (_, callback) => {
    images.list().then(
      (all) => callback(null, { images: all.map(imageMessage) }),
      (err: unknown) => callback(serviceError(err)),
    );
  };
  const remove: handleUnaryCall<agentv1.RemoveImageRequest, agentv1.RemoveImageReply> = (call, callback) => {
    removeImage(images, call.request).then(
      (reply) => {
        changed();
        callback(null, reply);
      },
      (err: unknown) => callback(serviceError(err)),
    );
  };
  const pull: handleServerStreamingCall<agentv1.PullImageRequest, agentv1.PullImageReply> = (call) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new Error('the caller has gone')));
    let last = '';
    const onProgress = (progress: ImageProgress): void => {
      const text = progressText(progress);
      if (text === last) return;
      last = text;
      call.write({ progress: text });
    };
    images.pull(call.request.reference ?? '', { signal: gone.signal, onProgress }).then(
      (image) => {
        changed();
        call.write({ image: imageMessage(image) });
        call.end();
      },
      (err: unknown) => {
        if (!gone.signal.aborted) call.emit('error', serviceError(err));
      },
    );
  };
  return { load, list, remove, pull };
}

async function takeIn(
  images: ImageStore,
  archive: PassThrough,
  names: () => readonly string[],
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const loaded = await images.load(archive, { signal });
  const wanted = names();
  if (wanted.length === 0) return loaded;
  const [only, ...more] = loaded;
  if (only === undefined || more.length > 0) {
    throw new ApiError(
      'BadRequest',
      `Cannot name the images of the archive: it has ${loaded.length}, and names can be given to one`,
    );
  }
  let named = only;
  for (const name of wanted) named = await images.tag(only.id, name);
  return [named];
}

async function removeImage(images: ImageStore, request: agentv1.RemoveImageRequest): Promise<agentv1.RemoveImageReply> {
  const reference = request.reference ?? '';
  const before = await images.resolve(reference);
  if (before === undefined)
    throw new ApiError('NotFound', `Cannot remove the image ${reference}: it is not on this node`);
  await images.remove(reference);
  const after = (await images.list()).find(({ id }) => id === before.id);
  const left = new Set(after?.references ?? []);
  return {
    untagged: before.references.filter((name) => !left.has(name)),
    deleted: after === undefined ? [before.id] : [],
  };
}

function imageMessage({ id, references, repoDigests, sizeBytes }: Image): agentv1.Image {
  return { id, references: [...references], digests: [...repoDigests], sizeBytes };
}

function progressText({ phase, layersDone, layersTotal }: ImageProgress): string {
  return layersTotal > 0 && phase !== 'done' ? `${phase} ${layersDone}/${layersTotal}` : phase;
}

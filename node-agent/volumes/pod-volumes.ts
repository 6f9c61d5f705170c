/** The volumes of one pod, as a whole: set up before its containers, mounted into them, taken away after them. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { expandVariables } from '../pods/expand-variables.ts';
import type { FieldContext } from '../pods/field-reference.ts';
import type { PodConfig } from '../pods/pod-config.ts';
import type { ContainerMount } from '../runtime/runtime.ts';
import { unmountBelow } from './mounts.ts';
import { VOLUME_TYPES } from './registry.ts';
import { mountSubPath } from './sub-path.ts';
import { VolumeError, type VolumeRequest, type VolumeType } from './volume.ts';

/** What the volumes are made from. */
export interface VolumeSources {
  readonly pod: corev1.Pod;
  readonly config: PodConfig;
  readonly fields: FieldContext;
}

/** Folders of one pod's volumes; see {@link VolumeRequest}. */
export interface VolumeDirs {
  readonly runDir: string;
  readonly dataDir: string;
}

const PROPAGATION: Readonly<Record<string, 'private' | 'slave' | 'shared'>> = {
  None: 'private',
  HostToContainer: 'slave',
  Bidirectional: 'shared',
};

/** A volume's name becomes a folder's name. */
const VOLUME_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Calls are the pod worker's to serialize. */
export class PodVolumes {
  readonly #dirs: VolumeDirs;
  readonly #types: ReadonlyMap<string, VolumeType>;
  #ready = false;
  readonly #paths = new Map<string, { readonly path: string; readonly readOnly: boolean }>();

  constructor(dirs: VolumeDirs, types: ReadonlyMap<string, VolumeType> = VOLUME_TYPES) {
    this.#dirs = dirs;
    this.#types = types;
  }

  /** Whether {@link setUp} has succeeded in this process. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Sets every volume up; cheap to repeat. Throws {@link VolumeError} naming the volume. */
  async setUp(sources: VolumeSources): Promise<void> {
    for (const volume of sources.pod.spec?.volumes ?? []) await this.#setUpOne(volume, sources);
    this.#ready = true;
  }

  /** Brings those up to date whose content follows objects. */
  async refresh(sources: VolumeSources): Promise<void> {
    for (const volume of sources.pod.spec?.volumes ?? []) {
      if (this.#paths.has(volume.name ?? '') && typeOf(volume, this.#types)?.follows === true) {
        await this.#setUpOne(volume, sources);
      }
    }
  }

  async #setUpOne(volume: corev1.Volume, sources: VolumeSources): Promise<void> {
    const name = volume.name ?? '';
    try {
      if (!VOLUME_NAME.test(name)) throw new VolumeError('its name is not a DNS label');
      const type = typeOf(volume, this.#types);
      if (type === undefined) throw new VolumeError(`volume type ${fieldOf(volume)} is not supported by this node`);
      const path = await type.setUp(this.#request(volume, sources));
      this.#paths.set(name, { path, readOnly: type.readOnly });
    } catch (err) {
      throw new VolumeError(`MountVolume.SetUp failed for volume "${name}" : ${errorMessage(err)}`, { cause: err });
    }
  }

  #request(volume: corev1.Volume, { pod, config, fields }: VolumeSources): VolumeRequest {
    const name = volume.name ?? '';
    return {
      volume,
      config,
      fields,
      runDir: join(this.#dirs.runDir, 'volumes', name),
      dataDir: join(this.#dirs.dataDir, 'volumes', name),
      fsGroup: pod.spec?.securityContext?.fsGroup,
    };
  }

  /**
   * The mounts a container asks for, parents before children. `variables` are its environment, for `subPathExpr`. Throws
   * {@link VolumeError} when a volume or subPath cannot be used.
   */
  async mountsFor(container: corev1.Container, variables: ReadonlyMap<string, string>): Promise<ContainerMount[]> {
    const mounts: ContainerMount[] = [];
    for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
      const { name = '', mountPath = '', subPath = '', subPathExpr = '' } = mount;
      const volume = this.#paths.get(name);
      if (volume === undefined) throw new VolumeError(`volume "${name}" of container ${container.name} does not exist`);
      let source = volume.path;
      const part = subPathExpr === '' ? subPath : expandVariables(subPathExpr, variables);
      if (part !== '') {
        source = join(this.#dirs.runDir, 'subpaths', container.name ?? '', String(index));
        await mountSubPath(volume.path, part, source);
      }
      mounts.push({
        type: 'bind',
        source,
        destination: mountPath.startsWith('/') ? mountPath : `/${mountPath}`,
        readOnly: volume.readOnly || mount.readOnly === true,
        propagation: PROPAGATION[mount.mountPropagation ?? 'None'] ?? 'private',
      });
    }
    return mounts.sort((a, b) => a.destination.split('/').length - b.destination.split('/').length);
  }

  /** Takes everything away, data included. No error when there is nothing. */
  async tearDown(): Promise<void> {
    await tearDownVolumes(this.#dirs);
    this.#paths.clear();
    this.#ready = false;
  }
}

/** Unmounts and deletes the volumes of a pod, known or not. */
export async function tearDownVolumes(dirs: VolumeDirs): Promise<void> {
  const mounted = await unmountBelow(dirs.runDir, dirs.dataDir);
  // Deleting through a mount would delete what belongs to the node.
  if (mounted.length > 0) throw new VolumeError(`Cannot delete volumes: ${mounted.join(', ')} is still mounted`);
  for (const dir of [join(dirs.runDir, 'subpaths'), join(dirs.runDir, 'volumes'), dirs.dataDir]) {
    await rm(dir, { recursive: true, force: true });
  }
  await mkdir(dirs.runDir, { recursive: true });
}

function typeOf(volume: corev1.Volume, types: ReadonlyMap<string, VolumeType>): VolumeType | undefined {
  return types.get(fieldOf(volume));
}

/** The field that says the type; a volume without any is an emptyDir. */
function fieldOf(volume: corev1.Volume): string {
  const fields = Object.entries(volume).filter(
    ([key, value]) => key !== 'name' && key !== '_unknownFields' && value !== undefined,
  );
  return fields[0]?.[0] ?? 'emptyDir';
}

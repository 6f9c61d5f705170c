/** What a volume type is: how a folder (or file) for a pod comes to be, follows its source, and goes. */
import type { corev1 } from '../../proto/index.ts';
import type { FieldContext } from '../pods/field-reference.ts';
import type { PodConfig } from '../pods/pod-config.ts';

/** A volume that cannot be set up as things are; the message is fit for an event. Trying again may help. */
export class VolumeError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VolumeError';
  }
}

/** One volume of one pod, with everything its content depends on. */
export interface VolumeRequest {
  readonly volume: corev1.Volume;
  readonly config: PodConfig;
  readonly fields: FieldContext;
  /** The folder that is this volume's alone, gone after a reboot. Not made yet. */
  readonly runDir: string;
  /** The same on disk. */
  readonly dataDir: string;
  /** The group that must be able to use it. */
  readonly fsGroup: number | undefined;
}

/**
 * A type of volume. Calls about one pod come one at a time; every call may be repeated after it was cut short.
 */
export interface VolumeType {
  /** The field of `Volume` that names it, such as `emptyDir`. */
  readonly field: string;
  /** Containers get it read-only whatever they ask for: its content is the node's to write. */
  readonly readOnly: boolean;
  /** Makes it, or brings it up to date; returns its path on the node. Throws {@link VolumeError}. */
  setUp(request: VolumeRequest): Promise<string>;
  /** Whether its content follows objects that may change while the pod runs: `setUp` is then called again. */
  readonly follows: boolean;
}

/** Where a class's weight comes from and goes to, in the kernel's own units (v1 shares or v2 weights). */
export interface ClassFolder {
  /** Pods below the class now, with the weight that each has. */
  readonly readPods: () => ReadonlyMap<string, number>;
  /** Sets the weight of the class. */
  readonly write: (weight: number) => void;
}

/**
 * Keeps a class of pods weighing as much as its pods together, so that between classes, too, CPU time is shared by what was
 * asked for: without this ten pods that asked for a core each would, as a class, weigh no more than the kernel's default.
 * Reads the pods once, then counts along.
 */
export class ClassWeight {
  readonly #folder: ClassFolder;
  #pods: Map<string, number> | null = null;

  constructor(folder: ClassFolder) {
    this.#folder = folder;
  }

  /** Writes the weight that the pods give. With a name, that pod weighs `weight` from now on, or is gone (undefined). */
  update(pod?: string, weight?: number): void {
    this.#pods ??= new Map(this.#folder.readPods());
    if (pod !== undefined && weight === undefined) {
      this.#pods.delete(pod);
    } else if (pod !== undefined && weight !== undefined) {
      this.#pods.set(pod, weight);
    }
    this.#folder.write([...this.#pods.values()].reduce((sum, one) => sum + one, 0));
  }
}

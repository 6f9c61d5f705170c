import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { OciSpec } from '../oci-spec.ts';
import type { OciRuntimeChoice } from './oci-runtime-choice.ts';

/** crun: take these bytes as the compiled filter. A runtime that does not know it compiles `linux.seccomp`, as ever. */
const COMPILED = 'run.oci.seccomp_bpf_data';

/**
 * Keeps compiled system call filters. Compiling the default profile for three architectures takes crun some 10 ms, twice
 * the rest of a create; the result depends on nothing but the profile and the programs, so that the first container's
 * serves all others. The profile itself stays in the spec.
 */
export class SeccompCache {
  readonly #folder: string;
  readonly #filters = new Map<string, string>();

  /** `folder` must be writable by root alone: what lies there is loaded into the kernel. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The spec with the compiled filter beside the profile, when there is one. */
  apply(spec: OciSpec, runtime: OciRuntimeChoice): OciSpec {
    const filter = runtime.name === 'crun' ? this.#filter(keyOf(spec, runtime)) : undefined;
    return filter === undefined ? spec : { ...spec, annotations: { ...spec.annotations, [COMPILED]: filter } };
  }

  /** Takes over the filter that crun compiled for a container made from `spec`; `stateFolder` is crun's for it. */
  learn(spec: OciSpec, runtime: OciRuntimeChoice, stateFolder: string): void {
    if (runtime.name !== 'crun' || spec.linux.seccomp === undefined || Object.hasOwn(spec.annotations, COMPILED)) {
      return;
    }
    const key = keyOf(spec, runtime);
    let filter: Buffer;
    try {
      filter = readFileSync(`${stateFolder}/seccomp.bpf`);
    } catch {
      // This version keeps it elsewhere, or not at all: nothing is lost but time.
      return;
    }
    // A filter is a sequence of 8-byte instructions; anything else is not what we think it is.
    if (filter.length === 0 || filter.length % 8 !== 0) {
      return;
    }
    this.#filters.set(key, filter.toString('base64'));
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#folder}/${key}.tmp`, filter, { mode: 0o600 });
    renameSync(`${this.#folder}/${key}.tmp`, `${this.#folder}/${key}`);
  }

  #filter(key: string): string | undefined {
    const known = this.#filters.get(key);
    if (known !== undefined) {
      return known;
    }
    try {
      const filter = readFileSync(`${this.#folder}/${key}`).toString('base64');
      this.#filters.set(key, filter);
      return filter;
    } catch {
      return undefined;
    }
  }
}

function keyOf(spec: OciSpec, runtime: OciRuntimeChoice): string {
  const profile = JSON.stringify([runtime.path, runtime.version, spec.linux.seccomp]);
  return createHash('sha256').update(profile).digest('hex');
}

import { randomInt } from 'node:crypto';
import type { JsonObject } from '../manifest/json-value.ts';

/** Parts of a generated container that are given. */
export interface ContainerParts {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly port?: number | undefined;
  readonly env?: readonly JsonObject[];
  readonly more?: JsonObject;
}

/** A container of a generated pod; what is not given is left out. */
export function container({ name, image, command, args, port, env, more }: ContainerParts): JsonObject {
  return {
    name,
    image,
    ...(command === undefined || command.length === 0 ? {} : { command }),
    ...(args === undefined || args.length === 0 ? {} : { args }),
    ...(port === undefined ? {} : { ports: [{ containerPort: port }] }),
    ...(env === undefined || env.length === 0 ? {} : { env }),
    resources: {},
    ...more,
  };
}

const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A container's name from its image: the last part without tag and digest. Characters that no name may have become dashes,
 * and random letters tell such names apart.
 */
export function containerName(image: string): string {
  const bare = (image.split('/').at(-1) ?? image).replace(/[:@].*$/, '');
  if (!/[_.]/.test(bare)) return bare;
  const suffix = Array.from({ length: 5 }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('');
  return `${bare.replace(/[_.]/g, '-')}-${suffix}`;
}

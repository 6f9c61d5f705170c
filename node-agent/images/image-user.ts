/** Which user a container runs as, from the image's own files, which are read as the strangers' work they are. */

import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../../lib/errors.ts';
import { ImageError } from './image-store.ts';

/** A user as the kernel wants it. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** The primary group first, then those the image's group file puts the user into; without repetition. */
  readonly additionalGids: readonly number[];
}

/** Kubernetes' and Docker's upper bound; beyond it ids wrap to others, 2^32 to root. */
const MAX_ID = 2 ** 31 - 1;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_LINKS_FOLLOWED = 20;

interface Account {
  readonly name: string;
  readonly uid: string;
  readonly gid: string;
}

/**
 * Resolves `user`, `uid`, `user:group`, `uid:gid` in a root folder; undefined or empty is root. Digits are always an id,
 * even when an account has them for a name. An unknown id has group 0; an unknown name, an id out of range, and a passwd
 * or group file of more than 1 MiB are refused with `InvalidImage`.
 */
export async function resolveUser(rootfsPath: string, userSpec: string | undefined): Promise<ContainerUser> {
  const spec = userSpec === undefined || userSpec === '' ? '0' : userSpec;
  const [user = '', group, ...rest] = spec.split(':');
  if (rest.length > 0 || user === '' || group === '') {
    throw refused(spec, 'it must be user, uid, user:group or uid:gid');
  }
  const accounts = parseAccounts(await readImageFile(rootfsPath, 'etc/passwd'));
  const groups = parseGroups(await readImageFile(rootfsPath, 'etc/group'));
  const account = isDigits(user)
    ? accounts.find((each) => isDigits(each.uid) && Number(each.uid) === Number(user))
    : accounts.find((each) => each.name === user);
  if (account === undefined && !isDigits(user)) {
    throw refused(spec, `the image's /etc/passwd has no user ${user}`);
  }
  const uid = id(account?.uid ?? user, spec);
  const gid = group === undefined ? id(account?.gid ?? '0', spec) : groupId(group, groups, spec);
  const memberships = account === undefined ? [] : groups.filter((each) => each.members.includes(account.name));
  return { uid, gid, additionalGids: [...new Set([gid, ...memberships.map((each) => id(each.gid, spec))])] };
}

/**
 * The uid in an image's user when it is written as a number, undefined when it is a name: only a number can be held
 * against `runAsNonRoot` before anything is mounted. No user at all is 0. Throws like {@link resolveUser} for ids out of range.
 */
export function numericUser(userSpec: string | undefined): number | undefined {
  const [user = ''] = (userSpec ?? '').split(':');
  if (user === '') {
    return 0;
  }
  return isDigits(user) ? id(user, user) : undefined;
}

function groupId(
  group: string,
  groups: readonly { readonly name: string; readonly gid: string }[],
  spec: string,
): number {
  if (isDigits(group)) {
    return id(group, spec);
  }
  const found = groups.find((each) => each.name === group);
  if (found === undefined) {
    throw refused(spec, `the image's /etc/group has no group ${group}`);
  }
  return id(found.gid, spec);
}

function id(text: string, spec: string): number {
  const value = isDigits(text) ? Number(text) : Number.NaN;
  if (!(value <= MAX_ID)) {
    throw refused(spec, `an id must be a number from 0 to ${MAX_ID}, not ${text.slice(0, 40)}`);
  }
  return value;
}

function isDigits(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

function parseAccounts(text: string): Account[] {
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name === undefined || name === '' || uid === undefined || gid === undefined ? [] : [{ name, uid, gid }];
  });
}

function parseGroups(
  text: string,
): { readonly name: string; readonly gid: string; readonly members: readonly string[] }[] {
  return text.split('\n').flatMap((line) => {
    const [name, , gid, members] = line.split(':');
    return name === undefined || name === '' || gid === undefined
      ? []
      : [{ name, gid, members: (members ?? '').split(',').map((member) => member.trim()) }];
  });
}

/** A file of the image; empty when there is none. Links are followed with the root folder as `/`, never out of it. */
async function readImageFile(rootfsPath: string, path: string): Promise<string> {
  try {
    const place = await placeInRoot(rootfsPath, path);
    const found = await lstat(place).catch(() => undefined);
    if (found === undefined) {
      return '';
    }
    if (!found.isFile()) {
      throw new Error('it is not a file');
    }
    if (found.size > MAX_FILE_BYTES) {
      throw new Error(`it has ${found.size} bytes, and ${MAX_FILE_BYTES} is the limit`);
    }
    const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const buffer = Buffer.alloc(MAX_FILE_BYTES);
      let length = 0;
      for (;;) {
        const { bytesRead } = await file.read(buffer, length, MAX_FILE_BYTES - length, length);
        if (bytesRead === 0) {
          return buffer.toString('utf8', 0, length);
        }
        length += bytesRead;
      }
    } finally {
      await file.close();
    }
  } catch (err) {
    throw new ImageError('InvalidImage', `Cannot read the image's /${path}: ${errorMessage(err)}`, { cause: err });
  }
}

async function placeInRoot(rootfsPath: string, path: string): Promise<string> {
  const todo = path.split('/');
  const done: string[] = [];
  let followed = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '' || part === '.') {
      continue;
    }
    if (part === '..') {
      done.pop();
      continue;
    }
    const found = await lstat(join(rootfsPath, ...done, part)).catch(() => undefined);
    if (found?.isSymbolicLink() !== true) {
      done.push(part);
      continue;
    }
    followed += 1;
    if (followed > MAX_LINKS_FOLLOWED) {
      throw new Error('it is behind too many symbolic links');
    }
    const target = await readlink(join(rootfsPath, ...done, part));
    if (target.startsWith('/')) {
      done.length = 0;
    }
    todo.unshift(...target.split('/'));
  }
  return join(rootfsPath, ...done);
}

function refused(spec: string, because: string): ImageError {
  return new ImageError('InvalidImage', `Cannot run as the user ${JSON.stringify(spec.slice(0, 100))}: ${because}`);
}

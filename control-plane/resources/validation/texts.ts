/** Rules for texts that are neither names nor labels: ports, keys of config maps, paths, addresses. */
import { isIP } from 'node:net';
import type { ErrorCause } from '../../../lib/errors.ts';
import { integerOf } from '../../../lib/int-or-string.ts';
import type { NameRule } from '../../../lib/name-rules.ts';
import { inRange, invalid, required } from './field-errors.ts';

const MAX_PORT = 65_535;

/** A port's name: at most 15 lower-case letters, digits and dashes, with a letter. */
export const portName: NameRule = (text) => [
  ...(text.length > 15 ? ['must be no more than 15 characters'] : []),
  ...(/^[-a-z0-9]+$/.test(text) ? [] : ['must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)']),
  ...(/[a-z]/.test(text) ? [] : ['must contain at least one letter (a-z)']),
  ...(text.includes('--') ? ['must not contain consecutive hyphens'] : []),
  ...(/^-|-$/.test(text) ? ['must not begin or end with a hyphen'] : []),
];

/** A key of a ConfigMap or Secret: it becomes a file name. */
export const configKey: NameRule = (text) => {
  const problems: string[] = [];
  if (text.length > 253) problems.push('must be no more than 253 bytes');
  if (!/^[-._a-zA-Z0-9]+$/.test(text)) {
    problems.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' " +
        "(e.g. 'key.name', or 'KEY_NAME', or 'key-name')",
    );
  }
  if (text === '.' || text === '..') problems.push(`must not be '${text}'`);
  else if (text.startsWith('..')) problems.push("must not start with '..'");
  return problems;
};

/** The name of an environment variable. */
export const envVarName: NameRule = (text) =>
  /^[ -<>-~]+$/.test(text)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];

/** The name of an HTTP header. */
export const httpHeaderName: NameRule = (text) =>
  /^[-A-Za-z0-9]+$/.test(text)
    ? []
    : ["a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name')"];

/** An IPv4 or IPv6 address. */
export const ipAddress: NameRule = (text) =>
  isIP(text) === 0 ? ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'] : [];

/** A range of addresses such as `10.42.0.0/24`. */
export const cidr: NameRule = (text) => {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  const fits = family !== 0 && Number(match?.[2]) <= (family === 4 ? 32 : 128);
  return fits ? [] : ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
};

/** A path inside a volume: relative, and never out of it. */
export const localPath: NameRule = (text) => {
  if (text.startsWith('/')) return ['must be a relative path'];
  return text.split('/').includes('..') ? ["must not contain '..'"] : [];
};

/** What is wrong with the number of a port that must be given. */
export function validatePortNumber(field: string, port: number | undefined): ErrorCause[] {
  return port === undefined || port === 0 ? [required(field)] : inRange(field, port, [1, MAX_PORT]);
}

/** What is wrong with a port given by number or name; absence is refused by the schema. */
export function validatePortReference(field: string, port: string | undefined): ErrorCause[] {
  if (port === undefined) return [];
  const number = integerOf(port);
  if (number !== undefined) return inRange(field, number, [1, MAX_PORT]);
  return portName(port).map((problem) => invalid(field, port, problem));
}

/** What is wrong with a file mode. */
export function validateFileMode(field: string, mode: number | undefined): ErrorCause[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

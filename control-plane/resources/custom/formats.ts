/** The formats of texts and numbers that Kubernetes checks in schemas; others are names for people. */
import { isIP } from 'node:net';
import { cidr } from '../validation/texts.ts';

type Format = (text: string) => boolean;

const HOST_LABEL = /^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/;
const DURATION = /^[-+]?(\d+(\.\d*)?(ns|us|µs|μs|ms|s|m|h|d|w)\s*)+$/;

function isDate(text: string): boolean {
  const match = DATE.exec(text);
  if (match === null) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.getUTCDate() === Number(match[3]);
}

function isDateTime(text: string): boolean {
  const match = DATE_TIME.exec(text);
  return match !== null && isDate(match[1] ?? '') && !Number.isNaN(Date.parse(text.replace(' ', 'T')));
}

function isUri(text: string): boolean {
  try {
    return new URL(text).protocol.length > 1;
  } catch {
    // What is no absolute address may be a path.
    return text.startsWith('/') && !/\s/.test(text);
  }
}

const uuid = (version: string): Format => {
  const variant = version === '[45]' || version === '4' || version === '5' ? '[89abAB]' : '[0-9a-fA-F]';
  const expression = new RegExp(
    `^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?${version}[0-9a-fA-F]{3}-?${variant}[0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$`,
  );
  return (text) => expression.test(text);
};

const TEXT_FORMATS: Readonly<Record<string, Format>> = {
  bsonobjectid: (text) => /^[0-9a-fA-F]{24}$/.test(text),
  uri: isUri,
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  hostname: (text) => text.length <= 253 && text.split('.').every((label) => HOST_LABEL.test(label)),
  ipv4: (text) => isIP(text) === 4,
  ipv6: (text) => isIP(text) === 6,
  cidr: (text) => cidr(text).length === 0,
  mac: (text) =>
    /^([0-9a-fA-F]{2}([:-]))([0-9a-fA-F]{2}\2){4}[0-9a-fA-F]{2}$|^([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$/.test(text),
  uuid: uuid('[0-9a-fA-F]'),
  uuid3: uuid('3'),
  uuid4: uuid('4'),
  uuid5: uuid('5'),
  hexcolor: (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
  rgbcolor: (text) => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/.test(text),
  byte: (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  password: () => true,
  date: isDate,
  duration: (text) => text === '0' || DURATION.test(text),
  datetime: isDateTime,
  'date-time': isDateTime,
};

/** Formats of texts without a check here: book and card numbers and the like. */
const UNCHECKED: ReadonlySet<string> = new Set(['isbn', 'isbn10', 'isbn13', 'creditcard', 'ssn']);

const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  float: [-3.4028234663852886e38, 3.4028234663852886e38],
  double: [-Number.MAX_VALUE, Number.MAX_VALUE],
};

/** Whether the text has that format; formats nobody knows allow everything. */
export function hasTextFormat(format: string, text: string): boolean {
  return Object.hasOwn(TEXT_FORMATS, format) ? (TEXT_FORMATS[format]?.(text) ?? true) : true;
}

/** The numbers of that format; undefined when it is none of numbers. */
export function rangeOfFormat(format: string): readonly [number, number] | undefined {
  return Object.hasOwn(RANGES, format) ? RANGES[format] : undefined;
}

/** Whether Kubernetes knows the format. */
export function isKnownFormat(format: string): boolean {
  return Object.hasOwn(TEXT_FORMATS, format) || Object.hasOwn(RANGES, format) || UNCHECKED.has(format);
}

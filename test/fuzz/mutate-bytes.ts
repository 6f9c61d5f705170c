/** Mutations of encoded requests: cut, flipped, repeated and stretched fields. */
import { pick, type Random } from './mutate-json.ts';

/** `bytes` with a few mutations; `other` is another request to take pieces from. */
export function mutateBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Buffer {
  let out: Buffer = Buffer.from(bytes);
  const times = 1 + Math.floor(random() * 3);
  for (let i = 0; i < times; i++) out = mutateOnce(random, out, other);
  return out;
}

function mutateOnce(random: Random, bytes: Buffer, other: Uint8Array): Buffer {
  const at = Math.floor(random() * (bytes.length + 1));
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(at);
  const steps: readonly (() => Buffer)[] = [
    () => Buffer.from(head),
    () => Buffer.from(tail),
    () => flipped(random, bytes),
    () => Buffer.concat([head, tail, head]),
    () => Buffer.concat([head, Buffer.alloc(1 + Math.floor(random() * 64), 0xff), tail]),
    () => Buffer.concat([head, Buffer.from(other).subarray(0, Math.floor(random() * 200)), tail]),
    // An unknown field, a group without end, a length beyond the end, a number of eleven bytes.
    () => Buffer.concat([bytes, Buffer.from([0xfa, 0x7f, 0x02, 0x01, 0x02])]),
    () => Buffer.concat([head, Buffer.from([0x0b]), tail]),
    () => Buffer.concat([head, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]), tail]),
    () => Buffer.concat([head, Buffer.from([0x08, ...Array.from({ length: 11 }, () => 0xff)]), tail]),
    // A hundred and fifty messages inside one another.
    () => nested(150),
  ];
  return pick(random, steps)();
}

function flipped(random: Random, bytes: Buffer): Buffer {
  const out = Buffer.from(bytes);
  for (let i = 0; i < 3 && out.length > 0; i++) {
    const at = Math.floor(random() * out.length);
    out[at] = (out[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  return out;
}

function nested(depth: number): Buffer {
  let out: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) {
    const length: number[] = [];
    for (let rest = out.length; ; rest >>>= 7) {
      length.push(rest > 127 ? (rest & 127) | 128 : rest);
      if (rest <= 127) break;
    }
    out = Buffer.concat([Buffer.from([0x0a, ...length]), out]);
  }
  return out;
}

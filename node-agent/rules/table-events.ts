/**
 * What the kernel says on its nf_tables notification group (nfnetlink subsystem 10): each transaction is a row of messages, one per
 * thing that came or went, closed by a NEWGEN with the process that did it. Pure.
 *
 *   nlmsghdr    u32 length | u16 type = subsystem << 8 | message | u16 flags | u32 sequence | u32 port    (host byte order)
 *   nfgenmsg    u8 family | u8 version | u16 resource id
 *   attributes  u16 length | u16 type | value, padded to 4;   type 1 of all but NEWGEN is the table's name
 */

/** A transaction that touched the table. */
export interface TableTouch {
  /** Process id as the first pid namespace numbers it; 0 when the kernel does not say. */
  readonly pid: number;
  /** Name of the program. */
  readonly program: string;
}

const HEADER_BYTES = 16;
const ATTRIBUTES_AT = 20;
const NF_TABLES = 10;
const NEW_GENERATION = 15;
const FAMILY_IP = 2;
const ATTR_TABLE = 1;
const GEN_PROC_PID = 2;
const GEN_PROC_NAME = 3;
/** Far more than the kernel puts into one message; larger means that we lost the thread. */
const MAX_MESSAGE_BYTES = 1 << 20;

/** Cuts a stream of such messages. */
export class TableEvents {
  readonly #table: string;
  #rest: Buffer = Buffer.alloc(0);
  #touched = false;

  constructor(table: string) {
    this.#table = table;
  }

  /** Takes in what was read; gives the transactions that touched the table. Throws when the stream makes no sense. */
  push(chunk: Buffer): readonly TableTouch[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const touches: TableTouch[] = [];
    let at = 0;
    while (data.length - at >= HEADER_BYTES) {
      const length = data.readUInt32LE(at);
      if (length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) {
        throw new Error(`Cannot read the kernel's rule events: a message claims ${length} bytes`);
      }
      const padded = (length + 3) & ~3;
      if (data.length - at < padded) break;
      const touch = this.#message(data.subarray(at, at + length));
      if (touch !== undefined) touches.push(touch);
      at += padded;
    }
    this.#rest = data.subarray(at);
    return touches;
  }

  #message(message: Buffer): TableTouch | undefined {
    const type = message.readUInt16LE(4);
    if (type >> 8 !== NF_TABLES || message.length < ATTRIBUTES_AT) return undefined;
    if ((type & 0xff) !== NEW_GENERATION) {
      if (!this.#touched && message[HEADER_BYTES] === FAMILY_IP) {
        this.#touched = text(attribute(message, ATTR_TABLE)) === this.#table;
      }
      return undefined;
    }
    const touched = this.#touched;
    this.#touched = false;
    if (!touched) return undefined;
    const pid = attribute(message, GEN_PROC_PID);
    return {
      pid: pid?.length === 4 ? pid.readUInt32BE(0) : 0,
      program: text(attribute(message, GEN_PROC_NAME)) ?? 'unknown',
    };
  }
}

function attribute(message: Buffer, wanted: number): Buffer | undefined {
  let at = ATTRIBUTES_AT;
  while (message.length - at >= 4) {
    const length = message.readUInt16LE(at);
    if (length < 4 || at + length > message.length) return undefined;
    if ((message.readUInt16LE(at + 2) & 0x3fff) === wanted) return message.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return undefined;
}

/** Without the zero at its end. */
function text(value: Buffer | undefined): string | undefined {
  return value?.toString('utf8').replace(/\0.*$/s, '');
}

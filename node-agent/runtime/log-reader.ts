import { constants, type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** One line of a container's output (or one piece of it, with `raw` or when the line is very long). */
export interface LogLine {
  /** RFC 3339 with nanoseconds, as the monitor wrote it: when the line's first piece came. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** The bytes, with the newline that ended the line if one did. */
  readonly content: Buffer;
}

/** What to read. Everything given must hold. */
export interface ReadLogOptions {
  /** Go on waiting for more until aborted or `ended` resolves. */
  readonly follow?: boolean;
  /** Begin this many lines before the end; 0 is "only what comes". */
  readonly tailLines?: number;
  /** Only lines at or after this moment. */
  readonly since?: Date;
  /** Only this stream. */
  readonly stream?: 'stdout' | 'stderr';
  /** Stop after this many bytes of content; the last line is cut. */
  readonly limitBytes?: number;
  /** Give pieces as they were written rather than whole lines. */
  readonly raw?: boolean;
  /** With `follow`: resolves when no more will be written; what is there is read to the end first. */
  readonly ended?: () => Promise<void>;
  /** Ends the generator without an error. */
  readonly signal?: AbortSignal;
}

const READ_BYTES = 64 * 1024;
/** A line longer than this is given in pieces, so that memory stays bounded whatever a container writes. */
const MAX_LINE_BYTES = 256 * 1024;
/** Longest "time stream tag " before the content. */
const HEADER_BYTES = 64;
/** Hints from the kernel can be lost; this is the latest that new output is noticed. */
const RECHECK_MS = 2000;

/**
 * Reads a CRI log file: records of `<time> <stream> <P|F> <content>`, where P marks a piece whose line goes on. Follows
 * a rotation to the new file of the same name. Memory is bounded (some 400 KiB). A path that is a symlink, or not a plain
 * file, is refused: the folder may be writable by somebody who would like us to read another file. A missing file yields
 * nothing, unless followed: then it is waited for.
 */
export async function* readLog(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogLine, void, void> {
  const budget = { left: options.limitBytes ?? Number.POSITIVE_INFINITY };
  const over = { ended: false };
  void options.ended?.().then(
    () => {
      over.ended = true;
      waiter.wake();
    },
    () => undefined,
  );
  const waiter = new ChangeWaiter(path, options.signal);
  let file: FileHandle | null = null;
  try {
    file = await openLog(path);
    let position = file === null ? 0 : await startOffset(file, options.tailLines);
    let assembler = new LineAssembler(options.raw ?? false);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      if (options.signal?.aborted === true) {
        return;
      }
      // Noted before reading: what was written before the end is then surely read.
      const wasOver = over.ended || options.follow !== true;
      const bytesRead = file === null ? 0 : (await file.read(buffer, 0, READ_BYTES, position)).bytesRead;
      if (bytesRead > 0) {
        position += bytesRead;
        for (const line of assembler.push(buffer.subarray(0, bytesRead))) {
          if (wanted(line, options)) {
            const cut = spend(line, budget);
            yield cut;
            if (budget.left <= 0) {
              return;
            }
          }
        }
        continue;
      }
      const next: FileHandle | null = await successor(path, file);
      if (next !== null) {
        await file?.close();
        file = next;
        position = 0;
        assembler = new LineAssembler(options.raw ?? false);
        continue;
      }
      if (wasOver) {
        const rest = assembler.rest();
        if (rest !== null && wanted(rest, options)) {
          yield spend(rest, budget);
        }
        return;
      }
      await waiter.wait();
    }
  } finally {
    waiter.close();
    await file?.close();
  }
}

/** Splits bytes into records and joins the pieces of a line. */
export class LineAssembler {
  readonly #raw: boolean;
  #carry: Buffer[] = [];
  #carryBytes = 0;
  #pending: { readonly time: string; readonly stream: LogLine['stream']; parts: Buffer[]; bytes: number } | null = null;

  constructor(raw: boolean) {
    this.#raw = raw;
  }

  /** The lines completed by these bytes. The buffer may be reused afterwards. */
  push(bytes: Buffer): readonly LogLine[] {
    const lines: LogLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const record = this.#takeCarry(bytes.subarray(start, end));
      start = end + 1;
      lines.push(...this.#accept(record));
    }
    if (start < bytes.length) {
      const tail = Buffer.from(bytes.subarray(start));
      this.#carry.push(tail);
      this.#carryBytes += tail.length;
      if (this.#carryBytes > 2 * MAX_LINE_BYTES) {
        // No monitor writes such a record; skip it rather than keep it.
        this.#carry = [];
        this.#carryBytes = 0;
      }
    }
    return lines;
  }

  /** What is left of an unfinished line. */
  rest(): LogLine | null {
    const pending = this.#pending;
    this.#pending = null;
    return pending === null
      ? null
      : { time: pending.time, stream: pending.stream, content: Buffer.concat(pending.parts) };
  }

  #takeCarry(end: Buffer): Buffer {
    const record = this.#carry.length === 0 ? Buffer.from(end) : Buffer.concat([...this.#carry, end]);
    this.#carry = [];
    this.#carryBytes = 0;
    return record;
  }

  #accept(record: Buffer): readonly LogLine[] {
    const header = parseHeader(record);
    if (header === null) {
      return [];
    }
    const content = record.subarray(header.length);
    const whole = header.partial ? content : Buffer.concat([content, NEWLINE]);
    if (this.#raw) {
      return [{ time: header.time, stream: header.stream, content: whole }];
    }
    const lines: LogLine[] = [];
    if (this.#pending !== null && this.#pending.stream !== header.stream) {
      // The other stream broke in: give what there is, in the order in which it was written.
      const rest = this.rest();
      if (rest !== null) {
        lines.push(rest);
      }
    }
    this.#pending ??= { time: header.time, stream: header.stream, parts: [], bytes: 0 };
    this.#pending.parts.push(whole);
    this.#pending.bytes += whole.length;
    if (!header.partial || this.#pending.bytes >= MAX_LINE_BYTES) {
      const rest = this.rest();
      if (rest !== null) {
        lines.push(rest);
      }
    }
    return lines;
  }
}

const NEWLINE = Buffer.from('\n');
const SPACE = 32;

interface RecordHeader {
  readonly time: string;
  readonly stream: LogLine['stream'];
  readonly partial: boolean;
  /** Bytes before the content. */
  readonly length: number;
}

function parseHeader(record: Buffer): RecordHeader | null {
  const first = record.indexOf(SPACE);
  const second = first < 0 ? -1 : record.indexOf(SPACE, first + 1);
  if (second < 0) {
    return null;
  }
  const third = record.indexOf(SPACE, second + 1);
  const tagEnd = third < 0 ? record.length : third;
  const stream = record.toString('latin1', first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') {
    return null;
  }
  // The tag may carry more, separated by colons; its first letter is what matters.
  const partial = record[second + 1] === 0x50;
  return { time: record.toString('latin1', 0, first), stream, partial, length: Math.min(record.length, tagEnd + 1) };
}

function wanted(line: LogLine, options: ReadLogOptions): boolean {
  if (options.stream !== undefined && line.stream !== options.stream) {
    return false;
  }
  return options.since === undefined || Date.parse(line.time) >= options.since.getTime();
}

function spend(line: LogLine, budget: { left: number }): LogLine {
  const content = line.content.length > budget.left ? line.content.subarray(0, budget.left) : line.content;
  budget.left -= content.length;
  return { ...line, content };
}

async function openLog(path: string): Promise<FileHandle | null> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') {
      return null;
    }
    throw new Error(`Cannot read the log ${path}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
  if (!(await file.stat()).isFile()) {
    await file.close();
    throw new Error(`Cannot read the log ${path}: it is not a plain file`);
  }
  return file;
}

/** The file that now has this name, when it is another one than the one we read to its end. */
async function successor(path: string, current: FileHandle | null): Promise<FileHandle | null> {
  if (current === null) {
    return openLog(path);
  }
  const [mine, named] = await Promise.all([current.stat(), stat(path).catch(() => null)]);
  if (named === null || (named.ino === mine.ino && named.dev === mine.dev)) {
    return null;
  }
  return openLog(path);
}

/** Where the last `tailLines` lines begin. Reads backwards, a block at a time. */
async function startOffset(file: FileHandle, tailLines: number | undefined): Promise<number> {
  if (tailLines === undefined) {
    return 0;
  }
  const { size } = await file.stat();
  if (tailLines <= 0) {
    return size;
  }
  const block = Buffer.allocUnsafe(READ_BYTES + HEADER_BYTES);
  let ends = 0;
  let nextStart = size;
  let seenLast = false;
  for (let high = size; high > 0; ) {
    const low = Math.max(0, high - READ_BYTES);
    const { bytesRead } = await file.read(block, 0, Math.min(size, high + HEADER_BYTES) - low, low);
    const data = block.subarray(0, bytesRead);
    for (let at = data.lastIndexOf(10, high - low - 1); at >= -1; ) {
      // A record begins after each newline, and at the very beginning of the file.
      if (at === -1 && low > 0) {
        break;
      }
      const begin = low + at + 1;
      if (begin < size) {
        const header = parseHeader(data.subarray(at + 1));
        const endsLine = header !== null && !header.partial;
        if (endsLine || !seenLast) {
          ends += 1;
        }
        if (ends > tailLines) {
          return nextStart;
        }
        seenLast = true;
        nextStart = begin;
      }
      if (at <= 0) {
        // lastIndexOf with a negative start would count from the end.
        at = at === 0 && low === 0 ? -1 : -2;
        continue;
      }
      const previous = data.lastIndexOf(10, at - 1);
      at = previous === -1 && low > 0 ? -2 : previous;
    }
    high = low;
  }
  return 0;
}

/** Waits until a file has probably changed. */
class ChangeWaiter {
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = new AbortController();
  #watcher: FSWatcher | null = null;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(path: string, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#signal = signal;
  }

  wake(): void {
    this.#changed = true;
    this.#wake();
  }

  /** Resolves at a hint, at an abort, or after the recheck time. */
  async wait(): Promise<void> {
    this.#watch();
    if (this.#changed || this.#signal?.aborted === true) {
      this.#changed = false;
      return;
    }
    const stop = new AbortController();
    const signals = [stop.signal, this.#stop.signal, ...(this.#signal === undefined ? [] : [this.#signal])];
    const hinted = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([
      hinted,
      delay(RECHECK_MS, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined),
    ]);
    stop.abort();
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#stop.abort();
  }

  #watch(): void {
    if (this.#watcher !== null) {
      return;
    }
    try {
      const watcher = watch(this.#path, { persistent: false }, (event) => {
        if (event === 'rename') {
          // Rotated: this watch follows the old file, the next wait opens one on the new.
          watcher.close();
          this.#watcher = null;
        }
        this.wake();
      });
      watcher.on('error', () => undefined);
      this.#watcher = watcher;
      // Something may have been written between our last read and this watch: look once more.
      this.#changed = true;
    } catch {
      // Not there yet: the recheck will find it.
    }
  }
}

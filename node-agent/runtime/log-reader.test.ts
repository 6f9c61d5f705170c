import { appendFile, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogLine, type ReadLogOptions, readLog } from './log-reader.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skiff-log-'));
  path = join(folder, '0.log');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000+00:00`;
const record = (second: number, stream: string, tag: string, text: string): string =>
  `${at(second)} ${stream} ${tag} ${text}\n`;

async function read(options: ReadLogOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readLog(path, options)) {
    lines.push(`${line.stream}:${line.content.toString('utf8')}`);
  }
  return lines;
}

describe('readLog', () => {
  it('joins the pieces of a line and keeps the streams apart', async () => {
    await writeFile(
      path,
      record(1, 'stdout', 'F', 'one') +
        record(2, 'stdout', 'P', 'two ') +
        record(2, 'stdout', 'F', 'halves') +
        record(3, 'stderr', 'F', '') +
        record(4, 'stdout', 'P', 'no newline'),
    );
    expect(await read()).toEqual(['stdout:one\n', 'stdout:two halves\n', 'stderr:\n', 'stdout:no newline']);
    expect(await read({ stream: 'stderr' })).toEqual(['stderr:\n']);
    expect(await read({ raw: true })).toHaveLength(5);
  });

  it.each([
    [0, []],
    [1, ['4 four']],
    [2, ['3 three', '4 four']],
    [3, ['2 two', '3 three', '4 four']],
    [99, ['1', '2 two', '3 three', '4 four']],
  ])('gives the last %i lines, a line of several pieces counting once', async (tailLines, expected) => {
    await writeFile(
      path,
      record(1, 'stdout', 'F', '1') +
        record(2, 'stdout', 'P', '2 ') +
        record(2, 'stdout', 'F', 'two') +
        record(3, 'stdout', 'F', '3 three') +
        record(4, 'stdout', 'P', '4 ') +
        record(4, 'stdout', 'F', 'four'),
    );
    expect(await read({ tailLines })).toEqual(expected.map((line) => `stdout:${line}\n`));
  });

  it('finds the tail in a file of many blocks', async () => {
    const count = 20_000;
    await writeFile(path, Array.from({ length: count }, (_, i) => record(i % 60, 'stdout', 'F', `line ${i}`)).join(''));
    for (const tailLines of [1, 7, 1500, 19_999, 20_000, 20_001]) {
      const lines = await read({ tailLines });
      expect(lines).toHaveLength(Math.min(tailLines, count));
      expect(lines[0]).toBe(`stdout:line ${Math.max(0, count - tailLines)}\n`);
    }
  });

  it('begins at a moment and stops at a number of bytes', async () => {
    await writeFile(path, [1, 2, 3].map((second) => record(second, 'stdout', 'F', `line ${second}`)).join(''));
    expect(await read({ since: new Date(Date.parse(at(2))) })).toEqual(['stdout:line 2\n', 'stdout:line 3\n']);
    expect(await read({ limitBytes: 10 })).toEqual(['stdout:line 1\n', 'stdout:lin']);
  });

  it('gives an endless line in pieces', async () => {
    const piece = 'x'.repeat(8000);
    await writeFile(path, Array.from({ length: 100 }, () => record(1, 'stdout', 'P', piece)).join(''));
    const lines = await read();
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.map((line) => line.length - 'stdout:'.length).reduce((a, b) => a + b)).toBe(800_000);
  });

  it('refuses a symlink', async () => {
    await symlink('/etc/passwd', path);
    await expect(read()).rejects.toThrow(/Cannot read the log/);
  });

  it('gives nothing for a file that is not there', async () => {
    expect(await read()).toEqual([]);
  });

  it('follows into the new file after a rotation and ends when the container has', async () => {
    await writeFile(path, record(1, 'stdout', 'F', 'before'));
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const lines: LogLine[] = [];
    const seen = async (count: number): Promise<void> => {
      const deadline = Date.now() + 10_000;
      while (lines.length < count) {
        if (Date.now() > deadline) {
          throw new Error(`only ${lines.length} of ${count} lines arrived`);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const following = (async () => {
      for await (const line of readLog(path, { follow: true, ended: () => ended })) {
        lines.push(line);
      }
    })();
    await seen(1);
    await appendFile(path, record(2, 'stdout', 'F', 'during'));
    await seen(2);
    await rename(path, `${path}.1`);
    await writeFile(path, record(3, 'stdout', 'F', 'after'));
    await seen(3);
    await appendFile(path, record(4, 'stdout', 'F', 'last'));
    end();
    await following;
    expect(lines.map((line) => line.content.toString('utf8'))).toEqual(['before\n', 'during\n', 'after\n', 'last\n']);
  });

  it('stops when aborted', async () => {
    await writeFile(path, record(1, 'stdout', 'F', 'one'));
    const controller = new AbortController();
    const lines: string[] = [];
    for await (const line of readLog(path, { follow: true, signal: controller.signal })) {
      lines.push(line.content.toString('utf8'));
      controller.abort();
    }
    expect(lines).toEqual(['one\n']);
  });
});

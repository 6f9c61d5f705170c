import { readFile, rename, writeFile } from 'node:fs/promises';
import { isAlive, type ProcessRef } from '../../../lib/process.ts';

/** What the file about a process we started says: which process, of which boot, with which arguments. */
export interface ProcessRecord extends ProcessRef {
  readonly version: 1;
  readonly bootId: string;
  readonly args: readonly string[];
}

/** The record in `file` if that very process still runs; undefined when it does not, or the file is missing or unreadable. */
export async function readLiveRecord(file: string): Promise<ProcessRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as ProcessRecord;
    const live = record.version === 1 && record.bootId === (await bootId()) && isAlive(record);
    return live ? record : undefined;
  } catch {
    // Without a readable record there is nothing to adopt; a second process would be stopped by the first one's lock.
    return undefined;
  }
}

/** Records `process` in `file`, whole or not at all. */
export async function writeRecord(file: string, process: ProcessRef, args: readonly string[]): Promise<void> {
  const record: ProcessRecord = { version: 1, ...process, bootId: await bootId(), args };
  await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

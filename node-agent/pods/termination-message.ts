/** What a container leaves behind to explain its end. */
import { open } from 'node:fs/promises';
import type { corev1 } from '../../proto/index.ts';
import { readLog } from '../runtime/log-reader.ts';

/** Where a container writes when its spec names no other path. */
export const DEFAULT_TERMINATION_PATH = '/dev/termination-log';
/** Kubernetes' limits: of a message, and of what the log may stand in with. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

/** The message of an ended run, from its file, or its log where the policy says so. Never throws. */
export async function terminationMessage(
  container: corev1.Container,
  run: { readonly file: string; readonly logPath: string; readonly failed: boolean },
): Promise<string> {
  const text = await readHead(run.file).catch(() => '');
  if (text !== '' || container.terminationMessagePolicy !== 'FallbackToLogsOnError' || !run.failed) return text;
  return logTail(run.logPath).catch(() => '');
}

async function readHead(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(MAX_MESSAGE_BYTES);
    const { bytesRead } = await file.read(buffer, 0, MAX_MESSAGE_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

async function logTail(path: string): Promise<string> {
  const parts: Buffer[] = [];
  for await (const line of readLog(path, { tailLines: MAX_LOG_LINES })) parts.push(line.content);
  const whole = Buffer.concat(parts);
  return whole.subarray(Math.max(0, whole.length - MAX_LOG_BYTES)).toString('utf8');
}

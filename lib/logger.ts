import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** Levels a person may choose. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where and how much to log. */
export interface LoggerOptions {
  readonly level: LogLevel;
  /** Appended to, folders are made; standard error when left out. */
  readonly file?: string | undefined;
  /** The program's part of the system, such as `server`. */
  readonly component: string;
}

/** A logger that writes JSON lines at once, so that nothing is lost when the process is killed. */
export function createLogger({ level, file, component }: LoggerOptions): Logger {
  if (file !== undefined) mkdirSync(dirname(file), { recursive: true });
  return pino(
    {
      level,
      base: { component },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: file ?? 2, sync: true }),
  );
}

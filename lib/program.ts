/** What the long-running programs have in common: options, log, signals, exit code. */
import { setMaxListeners } from 'node:events';
import { ConfigError } from './config.ts';
import { errorMessage } from './errors.ts';
import { createLogger, type Logger, type LogLevel } from './logger.ts';

/** Wrong options: no restart mends it. */
const EXIT_USAGE = 2;

/** What every program's options have. */
export interface ProgramConfig {
  readonly help: boolean;
  readonly logLevel: LogLevel;
  readonly logFile: string | undefined;
}

/** A program of the command `skiff <name>`. */
export interface Program<Config extends ProgramConfig> {
  readonly name: string;
  /** Throws {@link ConfigError} with everything that is wrong. */
  readonly parseConfig: (args: readonly string[]) => Config;
  readonly helpText: () => string;
  /** Runs until done or until `signal` aborts, and gives the exit code. Everything it opened is closed when it settles. */
  readonly run: (config: Config, log: Logger, signal: AbortSignal) => Promise<number>;
}

/** Runs a program with the options of the command line until it ends or is told to (SIGTERM, SIGINT); then the process ends. */
export async function runProgram<Config extends ProgramConfig>(program: Program<Config>): Promise<never> {
  // Everything of ours is closed by then; what a library may have left open must not keep the process.
  process.exit(await exitCode(program, process.argv.slice(2)));
}

async function exitCode<Config extends ProgramConfig>(
  program: Program<Config>,
  args: readonly string[],
): Promise<number> {
  const { name, parseConfig, helpText, run } = program;
  let config: Config;
  try {
    config = parseConfig(args);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    for (const problem of err.problems) process.stderr.write(`error: ${problem}\n`);
    process.stderr.write(`See skiff ${name} --help.\n`);
    return EXIT_USAGE;
  }
  if (config.help) {
    process.stdout.write(helpText());
    return 0;
  }
  const log = createLogger({ level: config.logLevel, file: config.logFile, component: name });
  const signal = stopSignal(log);
  try {
    return await run(config, log, signal);
  } catch (err) {
    if (signal.aborted) return 0;
    log.fatal({ err }, `the ${name} failed`);
    process.stderr.write(`error: ${errorMessage(err)}\n`);
    return 1;
  }
}

/** Aborts at SIGTERM and SIGINT. */
function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  // Every part of the program listens to it.
  setMaxListeners(0, stop.signal);
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      log.info({ signal: name }, 'stopping');
      stop.abort();
    });
  }
  // A closing terminal is no reason to stop.
  process.on('SIGHUP', () => undefined);
  return stop.signal;
}

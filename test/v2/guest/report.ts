/** Runs checks one after another and prints a line for each; what reads them is test/v2/run.sh. */

/** One check: throws when it does not hold; returns a note to print behind its name, or nothing. */
export interface Check {
  readonly name: string;
  readonly run: () => Promise<string | undefined>;
}

/** Runs those whose name contains one of `words` (all when there is none) and returns how many failed. */
export async function runChecks(checks: readonly Check[], words: readonly string[]): Promise<number> {
  let failed = 0;
  for (const { name, run } of checks) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    const started = Date.now();
    const took = (): string => `${((Date.now() - started) / 1000).toFixed(0)} s`;
    try {
      const note = await run();
      print(`ok: ${name} (${[...(note === undefined ? [] : [note]), took()].join('; ')})`);
    } catch (err) {
      failed += 1;
      print(`not ok: ${name} (${took()})`);
      print(String(err instanceof Error ? err.message : err).replace(/^/gm, '    : '));
    }
  }
  return failed;
}

/** Throws with `what` and both values when they differ as JSON. */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${what}: is ${is}, expected ${should}`);
}

/** Throws with `what` when the condition does not hold. */
export function expectThat(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** A line on the console. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

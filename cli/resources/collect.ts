/** Collects a repeatable option, whose values may also be joined by commas. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, ...value.split(',').filter((part) => part !== '')];
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** A size in decimal units with three digits, as image lists show it: `4.27MB`. */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))}${UNITS[unit]}`;
}

const SUFFIXES: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** What a quantity amounts to, well enough to add up and show; 0 for none. */
export function quantityAmount(text: string): number {
  const [, digits, suffix = ''] = /^([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)([a-zA-Z]*)$/.exec(text) ?? [];
  return digits === undefined ? 0 : Number(digits) * (SUFFIXES[suffix] ?? 0);
}

/** Cores as `250m` or `2`. */
export function formatCpu(cores: number): string {
  const milli = Math.round(cores * 1000);
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}

/** Bytes as `64Mi`, in the largest unit that is whole. */
export function formatBytes(bytes: number): string {
  for (const unit of ['Gi', 'Mi', 'Ki']) {
    const size = SUFFIXES[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

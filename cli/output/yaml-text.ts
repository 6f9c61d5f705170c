/**
 * Whether unquoted text stays text for every reader of YAML that people use: ours, Kubernetes', and those of 1.1 that know
 * base-60 numbers and dates. Kept apart from the manifest reader because `get -o yaml` must not load a YAML parser.
 */
export function resolvesToText(text: string): boolean {
  // Readers of 1.1 skip underscores in numbers, wherever they stand.
  const forms = /^[-+.0-9].*_/.test(text) ? [text, text.replaceAll('_', '')] : [text];
  return !forms.some((form) => OTHERWISE.some((pattern) => pattern.test(form)));
}

const OTHERWISE: readonly RegExp[] = [
  /^(?:~|null|true|false|yes|no|on|off|y|n|<<|=)?$/i,
  // Anything that starts like a number and has nothing but what numbers are made of.
  /^[-+]?(?:\.?[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?$/,
  /^[-+]?0(?:[xX][0-9a-fA-F_]+|[bB][01_]+|[oO][0-7_]+)$/,
  /^[-+]?\.(?:inf|nan)$/i,
  // 22:22 and 1:30:00.5
  /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/,
  // 2024-01-01, alone or with a time
  /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:$|[Tt \t])/,
];

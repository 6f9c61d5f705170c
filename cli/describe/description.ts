/** A line of a description: a label and what belongs to it. */
export interface Field {
  readonly label: string;
  /** One line, several lines below one another, or further fields one level deeper. */
  readonly value: string | readonly string[] | readonly Field[];
}

/** A field; no lines at all mean `<none>`. */
export function field(label: string, value: Field['value']): Field {
  return { label, value };
}

/** Fields that may be absent: those without a value are left out. */
export function present(fields: readonly (Field | undefined)[]): Field[] {
  return fields.filter((one): one is Field => one !== undefined && one.value !== '');
}

/**
 * The description as text. Labels of one level are aligned; lists of lines stand below one another at the same column:
 *
 *     Name:    web
 *     Labels:  app=web
 *              tier=front
 *     Containers:
 *       web:
 *         Image:  nginx
 */
export function formatDescription(fields: readonly Field[]): string {
  return `${lines(fields, '').join('\n')}\n`;
}

function lines(fields: readonly Field[], indent: string): string[] {
  const width = Math.max(0, ...fields.filter((one) => !isNested(one.value)).map((one) => one.label.length)) + 3;
  return fields.flatMap(({ label, value }) => {
    if (isNested(value)) return [`${indent}${label}:`, ...lines(value, `${indent}  `)];
    const texts = typeof value === 'string' ? value.split('\n') : value.length === 0 ? ['<none>'] : value;
    return texts.map((text, index) => `${indent}${(index === 0 ? `${label}:` : '').padEnd(width)}${text}`.trimEnd());
  });
}

function isNested(value: Field['value']): value is readonly Field[] {
  return typeof value !== 'string' && typeof value[0] === 'object';
}

/** A block under a label whose lines are laid out already, such as a table or a tree. */
export function block(label: string, text: readonly string[]): string {
  return text.length === 0
    ? `${label}:  <none>\n`
    : `${label}:\n${text.map((line) => `  ${line}`.trimEnd()).join('\n')}\n`;
}

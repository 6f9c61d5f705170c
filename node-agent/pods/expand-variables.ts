/**
 * Replaces `$(NAME)` by the variable's value, as Kubernetes does in env values, commands and arguments: an unknown name
 * stays as it is written, `$$` is a plain `$`.
 */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  if (!text.includes('$')) return text;
  return text.replace(/\$(\$|\(([^()]*)\))/g, (whole: string, after: string, name: string | undefined) => {
    if (after === '$') return '$';
    return (name === undefined ? undefined : variables.get(name)) ?? whole;
  });
}

import type { RuleTable } from '../rules/rule-table.ts';
import type { PolicyPlan } from './policy-plan.ts';

/** Makes the table want `next` where it wanted `before` (nothing, at first), by as few changes as there are. */
export function applyPlan(table: RuleTable, before: PolicyPlan | undefined, next: PolicyPlan): void {
  for (const [name, { kind, type, elements }] of next.collections) {
    const wanted = table[kind](name, type);
    for (const key of [...wanted.keys()]) if (!elements.has(key)) wanted.delete(key);
    for (const [key, data] of elements) {
      if (wanted.get(key) === data) continue;
      if (data === '') wanted.put(key);
      else wanted.put(key, data);
    }
  }
  for (const [name, { rules, hook }] of next.chains) {
    if (!sameRules(before?.chains.get(name)?.rules, rules)) table.chain(name, rules, hook);
  }
  for (const name of before?.chains.keys() ?? []) if (!next.chains.has(name)) table.remove('chain', name);
  for (const [name, { kind }] of before?.collections ?? []) if (!next.collections.has(name)) table.remove(kind, name);
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, index) => rule === b[index]);
}

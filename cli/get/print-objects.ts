import { hasReason } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import { throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import type { OutputFormat } from '../output/print-options.ts';
import { compileSort } from '../output/sort-objects.ts';
import { textAt } from '../resources/fields.ts';
import type { ObjectRequest } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import type { Session } from '../session.ts';
import type { GetOptions } from './get-options.ts';
import { listOptions } from './print-tables.ts';

/** Prints objects as YAML, JSON, by template or by name. What was not found is told after what was. */
export async function printObjects(
  session: Session,
  requests: readonly ObjectRequest[],
  format: Exclude<OutputFormat, { type: 'table' }>,
  options: GetOptions,
): Promise<void> {
  const { stdout } = session.terminal;
  const found: { object: JsonObject; identity: apiv1.ObjectIdentity }[] = [];
  const errors: unknown[] = [];
  for (const { target, single, selection } of requests) {
    try {
      if (single) found.push(await session.api.get(target));
      else {
        const { items, identity } = await session.api.list(target, { ...selection, ...listOptions(options) });
        found.push(...items.map((object) => ({ object, identity })));
      }
    } catch (err) {
      if (options.ignoreNotFound === true && hasReason(err, 'NotFound')) continue;
      errors.push(err);
      if (!hasReason(err, 'NotFound', 'BadRequest', 'Forbidden')) break;
    }
  }
  if (options.sortBy !== undefined) {
    const compare = compileSort(options.sortBy);
    found.sort((a, b) => compare(a.object, b.object));
  }
  const single = requests.length === 1 && requests[0]?.single === true;
  if (format.type === 'name') {
    for (const { object, identity } of found)
      stdout.write(`${slashedName(identity, textAt(object, 'metadata', 'name'))}\n`);
  } else if (found.length > 0 || (errors.length === 0 && !single)) {
    stdout.write(format.print({ items: found.map(({ object }) => object), single }));
  }
  throwAll(errors);
}

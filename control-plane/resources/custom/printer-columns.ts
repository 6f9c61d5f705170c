/** The columns of `get` for a custom kind. */
import { compilePath, type JsonPathValue, pathText } from '../../../lib/json-path.ts';
import { type apiextensionsv1, CUSTOM_OBJECT_MESSAGE, type CustomResource, toJson } from '../../../proto/index.ts';
import { ageColumn, nameColumn } from '../columns.ts';
import type { ColumnDefinition } from '../definition.ts';

type Column = apiextensionsv1.CustomResourceColumnDefinition;

/** NAME and the columns the definition asks for; NAME and AGE when it asks for none. */
export function printerColumns(columns: readonly Column[] | undefined): ColumnDefinition<CustomResource>[] {
  if (columns === undefined || columns.length === 0) return [nameColumn, ageColumn];
  return [nameColumn, ...columns.map(printerColumn)];
}

function printerColumn(column: Column): ColumnDefinition<CustomResource> {
  const { name = '', type = 'string', jsonPath = '', priority = 0 } = column;
  const find = compilePath(jsonPath);
  return {
    name: name.toUpperCase(),
    ...(priority > 0 ? { wide: true } : {}),
    ...(type === 'date' ? { age: true } : {}),
    cell: (object) => cellText(type, found(find, object)),
  };
}

/** What the path finds; an index beyond the end of a list finds nothing. */
function found(find: ReturnType<typeof compilePath>, object: CustomResource): readonly JsonPathValue[] {
  try {
    return find(toJson(CUSTOM_OBJECT_MESSAGE, object));
  } catch {
    return [];
  }
}

/** A value that is not of the column's type is left out, as Kubernetes does. */
function cellText(type: string, values: readonly JsonPathValue[]): string {
  const [first] = values;
  if (first === undefined || first === null) return '';
  switch (type) {
    case 'integer':
      return typeof first === 'number' ? String(Math.trunc(first)) : '';
    case 'number':
      return typeof first === 'number' ? String(first) : '';
    case 'boolean':
      return typeof first === 'boolean' ? String(first) : '';
    case 'date':
      return typeof first === 'string' && !Number.isNaN(Date.parse(first)) ? first : '<invalid>';
    default:
      return values.map(pathText).join(' ');
  }
}

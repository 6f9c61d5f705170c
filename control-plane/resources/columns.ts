/** Columns that many kinds share. */
import type { KubeObject } from '../../proto/index.ts';
import type { ColumnDefinition } from './definition.ts';

/** What `get` shows where there is nothing. */
export const NONE = '<none>';

/** What `get` shows where something should be and is not. */
export const UNKNOWN = '<unknown>';

/** The first column of every kind. */
export const nameColumn: ColumnDefinition<KubeObject> = { name: 'NAME', cell: (o) => o.metadata?.name ?? '' };

/** The time of creation; the client shows the age. */
export const ageColumn: ColumnDefinition<KubeObject> = {
  name: 'AGE',
  age: true,
  cell: (o) => o.metadata?.creationTimestamp ?? '',
};

/** `count (<time> ago)`: the client shows the time as an age. */
export function countSince(count: number, time: string | undefined): string {
  return count > 0 && time !== undefined ? `${count} (${time} ago)` : String(count);
}

/** Items joined by commas, or `<none>`. */
export function joined(items: readonly string[]): string {
  return items.length === 0 ? NONE : items.join(',');
}

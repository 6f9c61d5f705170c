/** Levels of the Pod Security Standards, as the labels of a namespace name them. */
import type { ErrorCause } from '../../../../lib/errors.ts';
import { joinPath } from '../../../../proto/index.ts';
import { invalid } from '../../../resources/validation/field-errors.ts';

const PREFIX = 'pod-security.kubernetes.io/';
const LEVELS = ['privileged', 'baseline', 'restricted'] as const;

/** How strict. */
export type Level = (typeof LEVELS)[number];

/** What becomes of a violation: the pod is refused, a line in the log, a warning for the person. */
export type Mode = 'enforce' | 'audit' | 'warn';

const MODES: readonly Mode[] = ['enforce', 'audit', 'warn'];

/** One policy: a level, by the rules of a minor version. */
export interface LevelVersion {
  readonly level: Level;
  /** Infinity for the latest. */
  readonly minor: number;
}

type Labels = Readonly<Record<string, string>> | undefined;

/** The policy of a mode. A level that cannot be read counts as the strictest when it is enforced, else as none. */
export function policyOf(labels: Labels, mode: Mode): LevelVersion {
  const text = labels?.[`${PREFIX}${mode}`];
  const level = text === undefined ? 'privileged' : readLevel(text);
  const minor = readMinor(labels?.[`${PREFIX}${mode}-version`] ?? 'latest');
  return {
    level: level ?? (mode === 'enforce' ? 'restricted' : 'privileged'),
    minor: minor ?? Number.POSITIVE_INFINITY,
  };
}

/** `restricted:latest`. */
export function policyText({ level, minor }: LevelVersion): string {
  return `${level}:${minor === Number.POSITIVE_INFINITY ? 'latest' : `v1.${minor}`}`;
}

/** Whether `next` may refuse what `before` let pass. */
export function isStricter(next: LevelVersion, before: LevelVersion): boolean {
  const rank = LEVELS.indexOf(next.level) - LEVELS.indexOf(before.level);
  return rank > 0 || (rank === 0 && next.level !== 'privileged' && next.minor !== before.minor);
}

/** What is wrong with the labels that `before` did not have already. */
export function labelProblems(labels: Labels, before: Labels): ErrorCause[] {
  return MODES.flatMap((mode) => {
    const level = changed(labels, before, `${PREFIX}${mode}`);
    const version = changed(labels, before, `${PREFIX}${mode}-version`);
    return [
      ...(level !== undefined && readLevel(level) === undefined
        ? [invalid(joinPath('metadata.labels', `${PREFIX}${mode}`), level, `must be one of ${LEVELS.join(', ')}`)]
        : []),
      ...(version !== undefined && readMinor(version) === undefined
        ? [invalid(joinPath('metadata.labels', `${PREFIX}${mode}-version`), version, 'must be "latest" or "v1.x"')]
        : []),
    ];
  });
}

function changed(labels: Labels, before: Labels, key: string): string | undefined {
  return labels?.[key] === before?.[key] ? undefined : labels?.[key];
}

function readLevel(text: string): Level | undefined {
  return LEVELS.find((level) => level === text);
}

function readMinor(text: string): number | undefined {
  if (text === 'latest') return Number.POSITIVE_INFINITY;
  const match = /^v1\.(0|[1-9]\d{0,5})$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

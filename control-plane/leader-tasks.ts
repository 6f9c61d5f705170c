import type { LeaderTask } from './server.ts';

/** What the leading server runs besides the API. */
export const LEADER_TASKS: readonly LeaderTask[] = [];

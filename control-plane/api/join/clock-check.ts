/** Machines whose clock is far off are told so before certificates, leases and tokens fail them in stranger ways. */
import { badRequest } from '../api-errors.ts';

const TOLERANCE_MS = 5 * 60_000;

/** Throws `BadRequest` when the two clocks are more than five minutes apart. */
export function checkClock(machineMs: number, serverMs: number): void {
  const aheadMs = machineMs - serverMs;
  if (Math.abs(aheadMs) <= TOLERANCE_MS) return;
  const way = aheadMs > 0 ? 'ahead of' : 'behind';
  throw badRequest(
    `Cannot join: the clock of this machine is ${lengthText(Math.abs(aheadMs))} ${way} that of the server ` +
      `(${timeText(machineMs)} here, ${timeText(serverMs)} there): set the one that is wrong ` +
      '(timedatectl set-ntp true, or date -s), then join again',
  );
}

function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? `${ms} ms since 1970` : time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** `7 min 3 s`, `2 d 4 h`: the two largest units. */
function lengthText(lengthMs: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  let rest = Math.round(lengthMs / 1000);
  const parts: string[] = [];
  for (const [seconds, unit] of units) {
    const count = Math.floor(rest / seconds);
    rest %= seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(' ');
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isAlive, parseProcessStat, processRef, signalProcess } from './process.ts';

describe('processes named by pid and start time', () => {
  it('reads a command with spaces and parentheses', () => {
    const line = `12 (a) b (c)) S 1 12 11 0 -1 4194304 56 0 0 0 0 0 0 0 20 0 1 0 92029 2387968`;
    expect(parseProcessStat(line)).toEqual({
      pid: 12,
      startTime: 92029,
      state: 'S',
      parentPid: 1,
      sessionId: 11,
      command: 'a) b (c)',
    });
  });

  it('knows a live process, and not one with another start time', () => {
    const me = processRef(process.pid);
    expect(me).not.toBeNull();
    if (me !== null) {
      expect(isAlive(me)).toBe(true);
      expect(isAlive({ ...me, startTime: me.startTime + 1 })).toBe(false);
      expect(signalProcess({ ...me, startTime: me.startTime + 1 }, 'SIGKILL')).toBe(false);
    }
  });

  it('sees that a process ended', async () => {
    const child = spawn('sleep', ['60']);
    const ref = processRef(child.pid ?? -1);
    expect(ref).not.toBeNull();
    if (ref !== null) {
      expect(signalProcess(ref, 'SIGKILL')).toBe(true);
      await once(child, 'exit');
      expect(isAlive(ref)).toBe(false);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { ExecError, run } from './exec.ts';

describe('run', () => {
  it('gives exit code and both streams, and feeds the input', async () => {
    const result = await run('sh', ['-c', 'cat; echo oops >&2; exit 3'], { input: 'hello', okExitCodes: 'any' });
    expect(result).toEqual({ exitCode: 3, stdout: 'hello', stderr: 'oops\n', truncated: false });
  });

  it('fails with what the program said', async () => {
    await expect(run('sh', ['-c', 'echo no such thing >&2; exit 4'])).rejects.toMatchObject({
      code: 'Failed',
      exitCode: 4,
      message: 'Cannot run sh: it exited with code 4: no such thing',
    });
  });

  it('names the Debian package of a missing program', async () => {
    await expect(run('/nowhere/crun', [])).rejects.toThrow(
      'Cannot start /nowhere/crun: the program is not installed; on Debian it is in the package crun',
    );
  });

  it('kills the program and its children at the timeout', async () => {
    const started = Date.now();
    await expect(run('sh', ['-c', 'sleep 60 & sleep 60'], { timeoutMs: 100 })).rejects.toBeInstanceOf(ExecError);
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it('kills the program when aborted and rejects with the reason', async () => {
    const controller = new AbortController();
    const running = run('sleep', ['60'], { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });

  it('cuts output at the limit without blocking the program', async () => {
    const result = await run('sh', ['-c', 'head -c 300000 /dev/zero | tr "\\\\0" x; echo end >&2'], {
      maxOutputBytes: 1000,
    });
    expect(result.stdout).toHaveLength(1000);
    expect(result.truncated).toBe(true);
    expect(result.stderr).toBe('end\n');
  });

  it('does not wait for a grandchild that keeps the output open', async () => {
    const result = await run('sh', ['-c', 'sleep 5 & echo started']);
    expect(result.stdout).toBe('started\n');
  });
});

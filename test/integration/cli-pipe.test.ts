/** The built command line at the end of a pipe, and over many calls in one command. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../harness/cli-under-test.ts';
import { adminConfigFor } from '../harness/run-skiff.ts';
import { serverUnavailable } from '../harness/server-process.ts';

const missing = serverUnavailable();

describe.skipIf(missing !== undefined)(
  `a command in a pipe${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let cli: CliUnderTest;
    let dir: string;
    beforeAll(async () => {
      cli = await CliUnderTest.start();
      dir = mkdtempSync(join(tmpdir(), 'skiff-pipe-'));
      const config = adminConfigFor(`127.0.0.1:${cli.server.port}`, cli.server.pki);
      writeFileSync(join(dir, 'config'), JSON.stringify(config), { mode: 0o600 });
    });
    afterAll(async () => {
      rmSync(dir, { recursive: true, force: true });
      await cli.stop();
    });

    /** Runs the built command with pipes for its streams; gives all it printed. */
    function piped(
      args: readonly string[],
      stdin = '',
    ): Promise<{ code: number | null; stdout: string; stderr: string }> {
      const program = join(import.meta.dirname, '../../bin/skiff');
      const env = { ...process.env, SKIFF_CONFIG: join(dir, 'config') };
      const child = spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.stdin.end(stdin);
      return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
    }

    test('prints everything, however much it is', async () => {
      const data = { text: 'x'.repeat(900_000) };
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'large', namespace: 'default' }, data };
      expect(await piped(['create', '-f', '-'], JSON.stringify(object))).toMatchObject({ code: 0, stderr: '' });
      const { code, stdout } = await piped(['get', 'configmap', 'large', '-o', 'json']);
      expect(code).toBe(0);
      expect((JSON.parse(stdout) as { data: { text: string } }).data.text).toHaveLength(900_000);
    });

    test('makes more than a thousand calls over one connection', async () => {
      const object = (i: number): string =>
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c${i}`, namespace: 'default' } });
      const documents = Array.from({ length: 1_500 }, (_, i) => object(i)).join('\n---\n');
      const { code, stdout, stderr } = await piped(['create', '-f', '-'], documents);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout.trim().split('\n')).toHaveLength(1_500);
    });
  },
);

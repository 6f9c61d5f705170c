import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest, yaml } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

const generated = (...args: string[]): Promise<string> => cli.generated(...args);

describe('data of ConfigMaps and Secrets', () => {
  test('from files, folders and literal values; what is no text is binary', async () => {
    const folder = join(cli.dir, 'conf');
    mkdirSync(join(folder, 'below'), { recursive: true });
    writeFileSync(join(folder, 'b.ini'), 'mode=1\n');
    writeFileSync(join(folder, 'a.bin'), Buffer.from([0xff, 0x00]));
    writeFileSync(join(folder, 'below', 'c'), 'not read');
    const one = cli.file('one.txt', 'x');
    const args = [`--from-file=${folder}`, `--from-file=${one}`, `--from-file=key=${one}`, '--from-literal=l=a,b=c'];
    expect(await generated('cm', 'settings', ...args)).toBe(
      yaml(`
apiVersion: v1
binaryData:
  a.bin: /wA=
data:
  b.ini: |
    mode=1
  key: x
  l: a,b=c
  one.txt: x
kind: ConfigMap
metadata:
  name: settings`),
    );
  });

  test('from env files: comments, empty values, values of the environment', async () => {
    const file = cli.file('my.env', '# note\n\nA=1\n  B = 2 # kept\nHERE\nEMPTY=\r\n');
    const args = ['create', 'cm', 'e', `--from-env-file=${file}`, '--dry-run=client', '-o', 'json'];
    expect((await cli.run(args)).stderr).toBe('error: DIR/my.env:4: "B " is not the name of an environment variable\n');
    writeFileSync(file, '# note\n\nA=1\n  B= 2 # kept\nHERE\nEMPTY=\r\n');
    const { stdout } = await cli.run(args, { env: { HERE: 'there' } });
    expect((JSON.parse(stdout) as { data: object }).data).toEqual({ A: '1', B: ' 2 # kept', HERE: 'there', EMPTY: '' });
  });

  // The names are those that kubectl's own hash gives for the same content.
  test('a hash of the content in the name', async () => {
    const name = async (...args: string[]): Promise<string> =>
      /name: (.*)\n/.exec(await generated(...args, '--append-hash'))?.[1] ?? '';
    const two = ['--from-literal=key1=value1', '--from-literal=key2=value2'];
    expect(await name('cm', 'foo')).toBe('foo-867km9574f');
    expect(await name('cm', 'foo', ...two)).toBe('foo-gcb75dd9gb');
    expect(await name('secret', 'generic', 'foo')).toBe('foo-949tdgdkgg');
    expect(await name('secret', 'generic', 'foo', '--type=my-type')).toBe('foo-dg474f9t76');
    expect(await name('secret', 'generic', 'foo', ...two)).toBe('foo-tf72c228m4');
  });

  test('a certificate and its key; another key is refused', async () => {
    const [key, cert, other] = ['tls.key', 'tls.crt', 'other.key'].map((name) => join(cli.dir, name));
    const newKey = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'];
    execFileSync('openssl', [...newKey, '-keyout', String(key), '-out', String(cert)], { stdio: 'ignore' });
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', String(other)], { stdio: 'ignore' });
    expect(await generated('secret', 'tls', 't', `--cert=${cert}`, `--key=${key}`)).toMatch(
      /^apiVersion: v1\ndata:\n {2}tls.crt: LS0t\S+\n {2}tls.key: LS0t\S+\nkind: Secret\nmetadata:\n {2}name: t\ntype: kubernetes.io\/tls\n$/,
    );
    const refused = async (...args: string[]): Promise<string> =>
      (await cli.run(['create', 'secret', 'tls', 't', ...args])).stderr;
    expect(await refused(`--cert=${cert}`, `--key=${other}`)).toBe(
      'error: the private key DIR/other.key does not belong to the certificate DIR/tls.crt\n',
    );
    expect(await refused(`--cert=${key}`, `--key=${key}`)).toBe('error: DIR/tls.key is no certificate in PEM\n');
    expect(await refused(`--cert=${cert}`)).toBe('error: key and cert must be specified: give --key and --cert\n');
  });
});

/**
 * Runs every benchmark and writes bench/RESULTS.md: the machine, the versions, each bar with its figure, met or not, and where the time
 * of a pod's start goes. Needs root and the built product. Run: `npm run build && node build/run.mjs bench/main.ts [name …]`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { type BenchResult, type Figure, formatBar, formatNumber, isMet, type Table } from './figures.ts';

const project = join(import.meta.dirname, '..');
/** Benchmarks that hand over figures, in the order of the report. */
const BENCHES = ['pods', 'cli', 'api', 'dns', 'services', 'scheduler-persisted', 'scheduler'] as const;
/** Of these the report shows what they print. */
const PLAIN: ReadonlySet<string> = new Set(['scheduler-persisted', 'scheduler']);

const wanted = process.argv.slice(2);
const results: BenchResult[] = [];
const texts: { readonly name: string; readonly text: string }[] = [];
const failed: string[] = [];
const loads: string[] = [];
for (const name of BENCHES) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`${name}\n`);
  loads.push(`${name} ${(loadavg()[0] ?? 0).toFixed(1)}`);
  const argv = [join(project, 'build/run.mjs'), `bench/${name}.ts`, ...(PLAIN.has(name) ? [] : ['--json'])];
  const { status, stdout } = spawnSync(process.execPath, argv, {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 2 ** 20,
  });
  if (status !== 0) failed.push(name);
  else if (PLAIN.has(name)) texts.push({ name, text: stdout.trim() });
  else results.push(JSON.parse(stdout) as BenchResult);
}
writeFileSync(join(import.meta.dirname, 'RESULTS.md'), report());
process.stderr.write(`written: ${join(import.meta.dirname, 'RESULTS.md')}\n`);
process.exit(failed.length === 0 ? 0 : 1);

function report(): string {
  const parts = [
    '# Results of the benchmarks',
    `Written by \`bench/main.ts\` on ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. Figures of one run on one machine: read them as such.`,
    machine(),
    ...results.flatMap(section),
    ...texts.map(({ name, text }) => `## ${name}\n\n\`\`\`\n${text}\n\`\`\``),
    ...failed.map((name) => `## ${name}\n\nThis benchmark failed in this run.`),
  ];
  return `${parts.join('\n\n')}\n`;
}

function machine(): string {
  const [cpu] = cpus();
  const rows: (readonly [string, string])[] = [
    ['machine', `${cpus().length} × ${cpu?.model.trim() ?? '?'}, ${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['system', `${osName()}, Linux ${release()}`],
    ['versions', `Node.js ${process.version}; ${['etcd', 'crun', 'conmon'].map(versionOf).join('; ')}`],
    ['commit', commit()],
    ['load when each began', loads.join(', ')],
    ['settings', "production: etcd's fsync on, mTLS, seccomp and all other defaults on"],
  ];
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function section({ name, figures, tables = [] }: BenchResult): string[] {
  return [`## ${name}`, figureTable(figures), ...tables.map(markdownTable)];
}

function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const met = isMet(figure);
    const verdict = met === undefined ? '' : met ? 'met' : '**not met**';
    return [figure.what, `${formatNumber(figure.value)} ${figure.unit}`, formatBar(figure), verdict, figure.note ?? ''];
  });
  return table(['what', 'figure', 'bar', '', 'how'], rows);
}

function markdownTable({ title, header, rows }: Table): string {
  return `### ${title}\n\n${table(header, rows)}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function osName(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
}

function versionOf(program: string): string {
  try {
    const text = execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return `${program} ${/\d+\.\d+\.\d+/.exec(text)?.[0] ?? '?'}`;
  } catch {
    return `${program} not found`;
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: project, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

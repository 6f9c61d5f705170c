import { describe, expect, it } from 'vitest';
import { type batchv1, type Json, KINDS, toJson } from '../../proto/index.ts';
import { cronJob } from './cron-job.ts';
import { nextDueMs, scheduleProblem } from './cron-schedule.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { timeZoneProblem } from './time-zone.ts';
import { expectProblem } from './valid-objects.ts';

const backup: Json = {
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name: 'backup', namespace: 'shop' },
  spec: {
    schedule: '*/5 * * * *',
    jobTemplate: {
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'busybox:1' }] } } },
    },
  },
};
const J = 'spec.jobTemplate.spec';

describe('a cron job', () => {
  it('is valid and gets the defaults of Kubernetes, its job only those of its pods', () => {
    expect(problemsOf(backup)).toEqual([]);
    expect(toJson(KINDS.CronJob.messageName, readObject(backup)).spec).toMatchObject({
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
    const { spec } = readObject<batchv1.CronJob>(backup);
    expect(Object.keys(spec?.jobTemplate?.spec ?? {})).toEqual(['template']);
    expect(spec?.jobTemplate?.spec?.template?.spec?.dnsPolicy).toBe('ClusterFirst');
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    [
      'metadata.name',
      'a'.repeat(53),
      `metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`,
    ],
    ['spec.schedule', undefined, 'spec.schedule: Required value'],
    ['spec.schedule', 'error', 'spec.schedule: Invalid value: "error": expected exactly 5 fields, found 1: [error]'],
    [
      'spec.schedule',
      'TZ=UTC 0 * * * *',
      'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
    ['spec.timeZone', '', 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
    ['spec.timeZone', 'Mars/Base', 'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
    [
      'spec.concurrencyPolicy',
      'Both',
      'spec.concurrencyPolicy: Unsupported value: "Both": supported values: "Allow", "Forbid", "Replace"',
    ],
    ['spec.startingDeadlineSeconds', -1, 'spec.startingDeadlineSeconds: Invalid value: -1: must be…'],
    ['spec.successfulJobsHistoryLimit', -1, 'spec.successfulJobsHistoryLimit: Invalid value: -1: must be…'],
    ['spec.failedJobsHistoryLimit', -1, 'spec.failedJobsHistoryLimit: Invalid value: -1: must be…'],
    [
      `${J}.template.spec.restartPolicy`,
      undefined,
      `${J}.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`,
    ],
    [`${J}.parallelism`, -1, `${J}.parallelism: Invalid value: -1: must be greater than or equal to 0`],
    [
      `${J}.selector`,
      { matchLabels: { a: 'b' } },
      `${J}.selector: Invalid value: {"matchLabels":{"a":"b"}}: \`selector\` will be auto-generated`,
    ],
    [`${J}.manualSelector`, true, `${J}.manualSelector: Unsupported value: "true": supported values: "false", "nil"`],
    [
      'spec.jobTemplate.metadata',
      { labels: { '-': 'x' } },
      'spec.jobTemplate.metadata.labels.-: Invalid value: "-": name part must…',
    ],
    ['spec.jobTemplate', undefined, 'spec.jobTemplate: Required value'],
  ])('is refused for %s %j', (path, value, problem) => {
    const problems = problemsOf(withValue(backup, path, value));
    // A missing part is a missing restart policy too.
    expectProblem(path === 'spec.jobTemplate' ? problems.slice(0, 1) : problems, problem);
  });

  it('may change everything, also when its name is longer than new ones may be', () => {
    const long = withValue(backup, 'metadata.name', 'a'.repeat(60));
    expect(updateProblems(withValue(long, 'spec.schedule', '@daily'), long)).toEqual([]);
    expect(updateProblems(withValue(backup, `${J}.template.spec.containers.0.image`, 'x'), backup)).toEqual([]);
  });

  it('is shown as kubectl shows it', () => {
    const status = { active: [{ name: 'a' }], lastScheduleTime: '2026-01-02T03:04:05Z' };
    const object = readObject<batchv1.CronJob>(withValue(backup, 'status', status));
    expect(cronJob.columns.map((c) => [c.name, c.cell(object)])).toEqual([
      ['NAME', 'backup'],
      ['SCHEDULE', '*/5 * * * *'],
      ['TIMEZONE', '<none>'],
      ['SUSPEND', 'False'],
      ['ACTIVE', '1'],
      ['LAST SCHEDULE', '2026-01-02T03:04:05Z'],
      ['AGE', ''],
      ['CONTAINERS', 'main'],
      ['IMAGES', 'busybox:1'],
      ['SELECTOR', '<none>'],
    ]);
    expect(cronJob.columns[5]?.cell({})).toBe('<none>');
  });
});

describe('a schedule', () => {
  it.each([
    '* * * * *',
    '*/5 0-6,12 1,15 jan-mar mon-fri',
    '0 0 31 2 *',
    '5/10 * ? * ?',
    '0  8 *\t* SUN',
    '@hourly',
    '@every 1h30m',
    '@midnight',
    'CRON_TZ=UTC 0 0 * * *',
  ])('%s is read', (text) => {
    expect(scheduleProblem(text)).toBeUndefined();
  });

  it.each([
    ['* * * *', /expected exactly 5 fields, found 4/],
    ['* * * * * *', /expected exactly 5 fields, found 6/],
    ['60 * * * *', /60 is above the maximum \(59\) in the field for the minute: 60/],
    ['* 24 * * *', /24 is above the maximum \(23\)/],
    ['* * 0 * *', /0 is below the minimum \(1\)/],
    ['* * * 13 *', /above the maximum/],
    ['* * * * 7', /7 is above the maximum \(6\)/],
    ['* * L * *', /"L" is no number/],
    ['* * * * 5#2', /is no number/],
    ['5-1 * * * *', /ends before it begins/],
    ['1-2-3 * * * *', /too many hyphens/],
    ['*/0 * * * *', /the step must not be zero/],
    ['*/a * * * *', /the step \(a\) is no number/],
    ['*/2/3 * * * *', /too many slashes/],
    [', * * * *', /"" is no number/],
    ['@reboot', /unrecognized descriptor: @reboot/],
    ['@every soon', /failed to parse duration @every soon/],
    ['', /empty spec string/],
  ])('%s is refused', (text, problem) => {
    expect(scheduleProblem(text)).toMatch(problem);
  });

  const after = Date.parse('2026-03-28T12:00:00Z');
  it.each<[schedule: string, zone: string | undefined, next: string | undefined]>([
    ['*/5 * * * *', 'UTC', '2026-03-28T12:05:00.000Z'],
    ['0 8 * * ?', 'Europe/Berlin', '2026-03-29T06:00:00.000Z'],
    ['0 8 * * *', 'America/New_York', '2026-03-29T12:00:00.000Z'],
    ['5/20 * * * *', 'UTC', '2026-03-28T12:05:00.000Z'],
    ['0 0 1 * mon', 'UTC', '2026-03-30T00:00:00.000Z'],
    ['@monthly', 'UTC', '2026-04-01T00:00:00.000Z'],
    ['@midnight', 'UTC', '2026-03-29T00:00:00.000Z'],
    ['@every 90m', 'UTC', '2026-03-28T13:30:00.000Z'],
    ['0 0 31 2 *', 'UTC', undefined],
  ])('%s in %s is next due at %s', (schedule, zone, next) => {
    const due = nextDueMs(schedule, after, zone);
    expect(due === undefined ? undefined : new Date(due).toISOString()).toBe(next);
  });
});

describe('a time zone', () => {
  it.each(['UTC', 'Etc/UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Asia/Calcutta', 'Etc/GMT+5'])(
    '%s is known',
    (name) => {
      expect(timeZoneProblem(name)).toBeUndefined();
    },
  );

  it.each([
    ['Local', /must be an explicit time zone/],
    ['+01:00', /unknown time zone/],
    ['europe/berlin', /unknown time zone europe\/berlin; did you mean Europe\/Berlin\?/],
    ['Europe/Atlantis', /unknown time zone/],
    ['../etc/passwd', /unknown time zone/],
  ])('%s is refused', (name, problem) => {
    expect(timeZoneProblem(name)).toMatch(problem);
  });
});

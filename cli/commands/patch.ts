import { errorMessage, hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import type { WriteResult } from '../api/api-client.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { type PatchOptions, type PatchType, patchTypeOf, readPatch } from '../patch/patch-document.ts';
import { collect } from '../resources/collect.ts';
import { valueAt } from '../resources/fields.ts';
import { findObjects } from '../resources/find-objects.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport } from '../resources/write-report.ts';
import { sameJson } from '../rollout/same-json.ts';
import { addConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface PatchVerbOptions extends WriteOptions, PatchOptions {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly subresource?: string;
}

const SUBRESOURCES: readonly string[] = ['status', 'scale'];

/** `skiff patch` */
export const patch: Verb = {
  configure(command, { terminal }) {
    addWriteOptions(addConnectionOptions(command))
      .argument('[resources...]', 'kind and name, or kind/name')
      .option('-p, --patch <patch>', 'the patch, in JSON or YAML')
      .option('--patch-file <file>', 'a file with the patch, in JSON or YAML')
      .option('--type <type>', 'strategic, merge (RFC 7386) or json (RFC 6902)', 'strategic')
      .option('--subresource <name>', 'patch the status or scale of the object instead')
      .option('-f, --filename <file>', 'the object of a file, folder, address or - for standard input', collect)
      .option('-R, --recursive', 'folders of folders too')
      .action(async (args: string[], options: PatchVerbOptions) => {
        const { subresource } = options;
        if (subresource !== undefined && !SUBRESOURCES.includes(subresource))
          throw new CliError(`invalid subresource value: "${subresource}". Must be one of [${SUBRESOURCES.join(' ')}]`);
        const type = patchTypeOf(options.type);
        const text = await readPatch(options, type);
        await withSession(terminal, options, (session) => runPatch(session, args, options, { type, patch: text }));
      });
    addExamples(command, [
      ['One field', `skiff patch node pi4 -p '{"spec":{"unschedulable":true}}'`],
      [
        'In YAML, of a container found by its name',
        "skiff patch deploy web -p 'spec: {template: {spec: {containers: [{name: c, image: nginx:1.27}]}}}'",
      ],
      [
        'By position',
        `skiff patch pod web-1 --type=json -p '[{"op":"replace","path":"/spec/containers/0/image","value":"nginx:1.27"}]'`,
      ],
      [
        'The number of replicas, whatever the kind',
        `skiff patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'`,
      ],
    ]);
  },
};

async function runPatch(
  session: Session,
  args: readonly string[],
  options: PatchVerbOptions,
  body: { readonly type: PatchType; readonly patch: string },
): Promise<void> {
  const { api, terminal } = session;
  const report = new WriteReport(terminal, options);
  const errors: unknown[] = [];
  const targets = await targetsOf(api, await findObjects(session, args, options), { all: false });
  for (const found of targets) {
    const target = options.subresource === undefined ? found : { ...found, subresource: options.subresource };
    try {
      const before = options.subresource === 'scale' ? (await api.get(target)).object : undefined;
      // How a patch merges is in the schema, which only the server has: a dry run of the client is one there, too.
      const result = await api.patch(target, body, {
        dryRun: dryRunOf(options) !== 'none',
        fieldManager: options.fieldManager ?? 'skiff-patch',
      });
      const changed = didChange(result, before);
      report.done(changed ? 'patched' : 'patched (no change)', result.identity, result.object);
    } catch (err) {
      errors.push(body.type === 'strategic' ? withOtherTypes(err) : err);
    }
  }
  report.finish();
  throwAll(errors);
}

/** Custom kinds say nothing of how their lists merge. */
function withOtherTypes(err: unknown): unknown {
  if (!hasReason(err, 'BadRequest') || !/strategic merge patches are/.test(errorMessage(err))) return err;
  return new CliError('strategic patches are of built-in kinds: a custom kind does not say how its lists merge', {
    hint: 'Use --type=merge or --type=json.',
    cause: err,
  });
}

/** Replies about a scale do not say whether anything changed. */
function didChange(result: WriteResult, before: WriteResult['object'] | undefined): boolean {
  if (before === undefined) return result.action !== apiv1.Action.UNCHANGED;
  return !sameJson(valueAt(before, 'spec') ?? null, valueAt(result.object, 'spec') ?? null);
}

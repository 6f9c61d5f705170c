import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage } from '../../lib/errors.ts';
import type { ResourceTarget } from '../api/api-client.ts';
import { CliError } from '../errors/cli-error.ts';
import { reportError } from '../errors/format-error.ts';
import { encodeJson, isJsonObject, type JsonObject } from '../manifest/json-value.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { parseManifests } from '../manifest/read-manifests.ts';
import { SourceText } from '../manifest/source-text.ts';
import { formatYaml } from '../output/yaml-output.ts';
import { collect } from '../resources/collect.ts';
import { findObjects } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { sameJson } from '../rollout/same-json.ts';
import { addConnectionOptions, type ConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface EditOptions extends ConnectionOptions {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly subresource?: string;
  readonly fieldManager?: string;
}

/** `skiff edit` */
export const edit: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[resources...]', 'kind and names, or kind/name')
      .option('-f, --filename <file>', 'the objects of a file, folder or address', collect)
      .option('-R, --recursive', 'folders of folders too')
      .option('--subresource <name>', 'edit the status of the object: only that is taken over')
      .option('--field-manager <name>', 'the name recorded as owner of the fields')
      .action((args: string[], options: EditOptions) => {
        const { subresource } = options;
        if (subresource !== undefined && subresource !== 'status')
          throw new CliError(`invalid subresource value: "${subresource}". Must be one of [status]`);
        return withSession(terminal, options, async (session) => {
          const requests = await findObjects(session, args, options);
          for (const target of await targetsOf(session.api, requests, { all: true })) {
            await editOne(session, subresource === undefined ? target : { ...target, subresource }, options);
          }
        });
      });
    addExamples(command, [
      ['In your editor ($SKIFF_EDITOR, $KUBE_EDITOR, $EDITOR or vi)', 'skiff edit deploy/web'],
      ['In another one', 'SKIFF_EDITOR=nano skiff edit configmap settings'],
    ]);
  },
};

const HEAD =
  '# Edit the object below. Lines that begin with # are ignored; an empty file cancels. What the server refuses is shown\n' +
  '# here again with its reason.\n#\n';

async function editOne(session: Session, target: ResourceTarget, options: EditOptions): Promise<void> {
  const { terminal, api } = session;
  const { object, identity } = await api.get(target);
  const before = editable(object);
  const folder = await mkdtemp(join(tmpdir(), 'skiff-edit-'));
  const file = join(folder, `${identity.singular ?? 'object'}-${identity.name ?? ''}.yaml`);
  let text = HEAD + formatYaml(before);
  let kept = false;
  try {
    for (;;) {
      await writeFile(file, text, { mode: 0o600 });
      await runEditor(terminal.env, file);
      const edited = await readFile(file, 'utf8');
      const unchanged = edited === text;
      let problem: unknown;
      try {
        const manifest = parseEdited(file, edited);
        if (manifest === undefined || sameJson(manifest.value, before)) {
          terminal.stdout.write('Edit cancelled, no changes made.\n');
          return;
        }
        try {
          const fieldManager = options.fieldManager ?? 'skiff-edit';
          const result = await api.update(target, encodeJson(manifest.value), { fieldManager });
          terminal.stdout.write(`${slashedName(result.identity)} edited\n`);
          return;
        } catch (err) {
          problem = locateCauses(manifest, err);
        }
      } catch (err) {
        problem = err;
      }
      // Saved again as it was refused: the person gives up, and the text is not lost.
      if (unchanged) {
        kept = true;
        throw new CliError(`Edit cancelled, the changes were not accepted: ${errorMessage(problem)}`, {
          hint: `A copy of your changes is in ${file}`,
          cause: problem,
        });
      }
      text = withProblem(edited, reportError(problem).text);
    }
  } finally {
    if (!kept) await rm(folder, { recursive: true });
  }
}

/** Without what the server alone writes; the version stays, so that nobody's change is overwritten. */
function editable(object: JsonObject): JsonObject {
  if (!isJsonObject(object.metadata)) return object;
  const { managedFields: _, ...metadata } = object.metadata as Record<string, JsonObject>;
  return { ...object, metadata };
}

function parseEdited(file: string, text: string): Manifest | undefined {
  const manifests = parseManifests(new SourceText(file, text), () => {});
  if (manifests.length > 1) throw new CliError('one object was to be edited, but the file holds several');
  return manifests[0];
}

function withProblem(text: string, problem: string): string {
  const body = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
  const comment = problem
    .trimEnd()
    .split('\n')
    .map((line) => `# ${line}\n`)
    .join('');
  return `${HEAD}${comment}#\n${body}`;
}

/** Runs the person's editor on the file, in their shell because editors are set with options. Throws when it fails. */
function runEditor(env: Readonly<Record<string, string | undefined>>, file: string): Promise<void> {
  const editor = env.SKIFF_EDITOR ?? env.KUBE_EDITOR ?? env.EDITOR ?? env.VISUAL ?? 'vi';
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    child.on('error', (err) =>
      reject(new CliError(`Cannot start the editor ${editor}: ${err.message}`, { cause: err })),
    );
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new CliError(`the editor ${editor} ended with exit code ${code}; nothing was changed`));
    });
  });
}

import {
  addSaveConfig,
  type CreateOptions,
  createObject,
  inNamespace,
  splitAtDashes,
} from '../create/add-generators.ts';
import { withLastApplied } from '../create/last-applied.ts';
import { collectWhole } from '../create/options.ts';
import { CliError } from '../errors/cli-error.ts';
import { collect } from '../resources/collect.ts';
import { addWriteOptions, WriteReport } from '../resources/write-report.ts';
import { podToRun, type RunOptions, serviceOf } from '../run/pod-to-run.ts';
import { addConnectionOptions } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface RunVerbOptions extends CreateOptions, RunOptions {
  readonly expose?: boolean;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly attach?: boolean;
  readonly rm?: boolean;
}

/** `skiff run` */
export const run: Verb = {
  configure(command, { terminal }) {
    addSaveConfig(addWriteOptions(addConnectionOptions(command)))
      .usage('<name> --image=<image> [options] [-- arguments...]')
      .argument('[name]', 'the name of the pod and of its container')
      .argument('[words...]', 'after --, the arguments of the container')
      .option('--image <image>', 'the image to run')
      .option('--image-pull-policy <policy>', 'Always, IfNotPresent or Never; the tag decides unless said')
      .option('--restart <policy>', 'Always, OnFailure or Never', 'Always')
      .option('--env <name=value>', 'an environment variable; repeatable', collectWhole)
      .option('--port <port>', 'the port the container listens on')
      .option('-l, --labels <key=value,…>', 'labels of the pod; run=NAME unless said', collect)
      .option('--annotations <key=value>', 'an annotation of the pod; repeatable', collectWhole)
      .option('--command', "what follows -- takes the place of the image's command, not of its arguments")
      .option('--privileged', 'without the confinement of ordinary containers')
      .option('--expose', 'a Service for --port, too')
      .option('-i, --stdin', 'not served: use exec')
      .option('-t, --tty', 'not served: use exec')
      .option('--attach', 'not served: use logs -f')
      .option('--rm', 'not served: delete the pod')
      .action(async (name: string | undefined, words: string[], options: RunVerbOptions) => {
        const all = [...(name === undefined ? [] : [name]), ...words];
        await runPod(terminal, splitAtDashes(command, all), options);
      });
    addExamples(command, [
      ['A pod of an image', 'skiff run web --image=nginx:1.27 --port=80'],
      ['That runs a command once', 'skiff run once --image=busybox --restart=Never --command -- date'],
      ['As a manifest to keep', 'skiff run web --image=nginx:1.27 --env=MODE=fast --dry-run=client -o yaml > pod.yaml'],
    ]);
  },
};

const NOT_SERVED: readonly (readonly [keyof RunVerbOptions, string])[] = [
  ['stdin', '--stdin: a pod cannot be attached to yet; start it and use skiff exec -it'],
  ['tty', '--tty: a pod cannot be attached to yet; start it and use skiff exec -it'],
  ['attach', '--attach: a pod cannot be attached to yet; start it and use skiff logs -f'],
  ['rm', '--rm: it belongs to --attach, which is not served yet; delete the pod when it is done'],
];

async function runPod(
  terminal: Terminal,
  { names, command }: { readonly names: readonly string[]; readonly command: readonly string[] },
  options: RunVerbOptions,
): Promise<void> {
  const [name, ...more] = names;
  if (name === undefined || name === '') throw new CliError('NAME is required for run');
  const refused = NOT_SERVED.find(([option]) => options[option] === true);
  if (refused !== undefined) throw new CliError(refused[1]);
  const words = [...more, ...command];
  if (options.command === true && words.length === 0)
    throw new CliError('--command is to be followed by -- and a command');
  const report = new WriteReport(terminal, options);
  const pod = podToRun(name, words, options);
  const objects = [pod, ...(options.expose === true ? [serviceOf(pod, name, options.port)] : [])];
  for (const object of objects) {
    const placed = inNamespace(object, options.namespace);
    const saved = options.saveConfig === true ? withLastApplied(placed) : placed;
    await createObject(terminal, saved, { fieldManager: 'skiff-run', ...options }, report);
  }
  report.finish();
}

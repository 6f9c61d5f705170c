import { readFile } from 'node:fs/promises';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, isJsonList, isJsonObject } from '../manifest/json-value.ts';
import { ManifestError, problemAt } from '../manifest/manifest-error.ts';
import { parseYamlDocument } from '../manifest/parse-document.ts';
import { SourceText } from '../manifest/source-text.ts';
import { splitDocuments } from '../manifest/split-documents.ts';

const PATCH_TYPES = ['json', 'merge', 'strategic'] as const;

/** The forms of a patch. */
export type PatchType = (typeof PATCH_TYPES)[number];

/** Options that give the patch. */
export interface PatchOptions {
  readonly patch?: string;
  readonly patchFile?: string;
  readonly type: string;
}

/** Reads `--type`. Throws a {@link CliError} for one that is none. */
export function patchTypeOf(text: string): PatchType {
  const type = PATCH_TYPES.find((one) => one === text.toLowerCase());
  if (type === undefined) throw new CliError(`--type must be one of [${PATCH_TYPES.join(' ')}], not "${text}"`);
  return type;
}

/**
 * The patch as JSON text, from the command line or a file, written in JSON or YAML. Throws a {@link CliError} when none or two are
 * given, and a {@link ManifestError} with the place of what cannot be read.
 */
export async function readPatch({ patch, patchFile }: PatchOptions, type: PatchType): Promise<string> {
  if (patch !== undefined && patchFile !== undefined)
    throw new CliError('cannot specify --patch and --patch-file together');
  const source = patchFile === undefined ? new SourceText('--patch', patch ?? '') : await readSource(patchFile);
  const [span, ...more] = splitDocuments(source.text);
  if (span === undefined) {
    if (patchFile !== undefined) throw new CliError(`${patchFile}: there is no patch in it`);
    throw new CliError('must specify --patch or --patch-file containing the contents of the patch');
  }
  if (more[0] !== undefined)
    throw new ManifestError([
      problemAt(source, more[0].start, 'a patch is one document, and a second one begins here'),
    ]);
  const { value } = parseYamlDocument(source, span);
  if (type === 'json' ? !isJsonList(value) : !isJsonObject(value)) {
    const expected =
      type === 'json'
        ? 'a JSON patch is a list of operations such as [{"op":"replace","path":"/spec/replicas","value":3}]'
        : `a ${type} patch is an object such as {"spec":{"replicas":3}}`;
    throw new ManifestError([problemAt(source, span.start, expected)]);
  }
  return encodeJson(value);
}

async function readSource(path: string): Promise<SourceText> {
  try {
    return new SourceText(path, await readFile(path, 'utf8'));
  } catch (err) {
    throw new CliError(`unable to read patch file: ${err instanceof Error ? err.message : String(err)}`, {
      cause: err,
    });
  }
}

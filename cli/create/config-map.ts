import type { JsonObject } from '../manifest/json-value.ts';
import { utf8Text } from '../manifest/utf8-text.ts';
import { checkSources, type DataOptions, declareDataOptions, readData } from './data-sources.ts';
import type { Generator } from './generator.ts';
import { nameHash } from './name-hash.ts';

/** `create configmap` */
export const configMap: Generator<DataOptions> = {
  path: ['configmap'],
  aliases: ['cm'],
  summary: 'Create a ConfigMap from files, folders, literal values or env files',
  namespaced: true,
  examples: [
    ['From the files of a folder', 'skiff create configmap settings --from-file=conf/'],
    [
      'From a file under another name, and a value',
      'skiff create configmap settings --from-file=app.ini=./my.ini --from-literal=mode=fast',
    ],
    ['As a manifest to keep', 'skiff create configmap settings --from-env-file=.env --dry-run=client -o yaml'],
  ],
  declare: declareDataOptions,
  async build({ name, options, terminal }) {
    checkSources(options);
    const content = await readData(options, { kind: 'ConfigMap', name }, terminal.env);
    const data: Record<string, string> = {};
    const binaryData: Record<string, string> = {};
    for (const [key, bytes] of content) {
      const text = utf8Text(bytes);
      if (text === undefined) binaryData[key] = bytes.toString('base64');
      else data[key] = text;
    }
    const parts: JsonObject = {
      ...(Object.keys(data).length === 0 ? {} : { data }),
      ...(Object.keys(binaryData).length === 0 ? {} : { binaryData }),
    };
    const suffix = options.appendHash === true ? `-${nameHash({ kind: 'ConfigMap', name, data, ...parts })}` : '';
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: name + suffix }, ...parts };
  },
};

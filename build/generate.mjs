// Makes everything under proto/gen from the .proto sources: the TypeScript messages and services (ts-proto, through buf), the
// compact schema table that the JSON codec and `explain` run on, the registry of kinds, and the descriptor set for reflection.
// Skips the work when the sources are unchanged since the last run. Usage: node build/generate.mjs [--force]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFileRegistry, fromBinary, getOption } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const root = fileURLToPath(new URL('..', import.meta.url));
const genDir = join(root, 'proto/gen');
const stampFile = join(genDir, '.stamp');

const stamp = sourceStamp();
const fresh = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
if (!fresh || process.argv.includes('--force')) generate();

/** A digest of everything the generated files depend on. */
function sourceStamp() {
  const hash = createHash('sha256');
  const inputs = [...protoFiles(join(root, 'proto/skiff')), join(root, 'buf.gen.yaml'), fileURLToPath(import.meta.url)];
  for (const file of inputs) hash.update(relative(root, file)).update(readFileSync(file));
  return hash.digest('hex');
}

function protoFiles(dir) {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.proto'))
    .sort()
    .map((name) => join(dir, name));
}

/** Makes everything in a folder beside the last result and puts it in its place at the end: whoever reads it meanwhile sees a whole one. */
function generate() {
  const work = join(root, `proto/.gen-${process.pid}`);
  const made = join(work, 'proto/gen');
  try {
    mkdirSync(made, { recursive: true });
    buf('generate', '-o', work);
    buf('build', '-o', join(made, 'descriptors.binpb'));
    const registry = createFileRegistry(
      fromBinary(FileDescriptorSetSchema, readFileSync(join(made, 'descriptors.binpb'))),
    );
    writeFileSync(join(made, 'schema-table.json'), JSON.stringify(schemaTable(registry)));
    writeFileSync(join(made, 'kinds.ts'), kindsModule(registry));
    writeFileSync(join(made, '.stamp'), stamp);
    if (existsSync(genDir)) renameSync(genDir, join(work, 'before'));
    renameSync(made, genDir);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function buf(...args) {
  execFileSync(process.execPath, [join(root, 'node_modules/@bufbuild/buf/bin/buf'), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

/** Messages that belong to the API's objects; the services' own requests are not part of any kind. */
function isSchemaMessage(desc) {
  return desc.kind === 'message' && /^skiff\.(?!api\.|agent\.|schema\.)/.test(desc.typeName) && !isMapEntry(desc);
}

function isMapEntry(desc) {
  return desc.proto.options?.mapEntry === true;
}

/** One compact row per field; proto/schema.ts names the positions. Keys are left out where they hold the default. */
function schemaTable(registry) {
  const fieldOption = registry.getExtension('skiff.schema.v1.field');
  const kindOption = registry.getExtension('skiff.schema.v1.kind');
  const table = {};
  for (const desc of registry) {
    if (!isSchemaMessage(desc)) continue;
    const row = { f: desc.fields.map((field) => fieldRow(field, getOption(field, fieldOption))) };
    const doc = comment(desc);
    if (doc) row.d = doc;
    const kind = getOption(desc, kindOption);
    if (kind.plural) {
      const { group, version, plural, singular, shortNames, namespaced } = kind;
      row.k = { group, version, kind: desc.name, plural, singular, shortNames, namespaced };
      if (kind.unsupported) row.k.unsupported = kind.unsupported;
    }
    table[desc.typeName] = row;
  }
  return table;
}

function fieldRow(field, option) {
  const row = { n: field.jsonName, i: field.number };
  const element =
    field.fieldKind === 'list' ? field.listKind : field.fieldKind === 'map' ? field.mapKind : field.fieldKind;
  row.t = element === 'message' ? field.message.typeName : scalarName(field.scalar);
  if (field.fieldKind === 'list') row.c = 'list';
  if (field.fieldKind === 'map') row.c = 'map';
  if (field.proto.proto3Optional) row.x = 1;
  if (option.format)
    row.m = ['', 'quantity', 'intOrString', 'time', 'microTime', 'json', 'jsonInline', 'union'][option.format];
  if (option.always) row.a = 1;
  if (option.required) row.r = 1;
  if (option.values.length > 0) row.v = option.values;
  if (option.list) row.l = ['', 'set', 'map'][option.list];
  if (option.mergeKeys.length > 0) row.k = option.mergeKeys;
  if (option.retainKeys) row.e = 1;
  if (option.unsupported) row.u = option.unsupported;
  if (option.default) row.z = option.default;
  const doc = comment(field);
  if (doc) row.d = doc;
  return row;
}

function scalarName(scalar) {
  const names = { 1: 'double', 3: 'int64', 5: 'int32', 8: 'bool', 9: 'string', 12: 'bytes' };
  const name = names[scalar];
  if (name === undefined) throw new Error(`the schema table knows no scalar type ${scalar}`);
  return name;
}

/** The comment above a message or field, as one line. */
function comment(desc) {
  const info = desc.file ? desc : desc.parent;
  const file = info.file.proto;
  const path = desc.kind === 'message' ? [4, file.messageType.indexOf(desc.proto)] : fieldPath(desc, file);
  const location = file.sourceCodeInfo?.location.find(
    (l) => l.path.length === path.length && l.path.every((p, i) => p === path[i]),
  );
  return (location?.leadingComments ?? '').trim().replace(/\s+/g, ' ');
}

function fieldPath(field, file) {
  return [4, file.messageType.indexOf(field.parent.proto), 2, field.parent.proto.field.indexOf(field.proto)];
}

/** The registry of kinds, one line per message that carries the kind option. */
function kindsModule(registry) {
  const kindOption = registry.getExtension('skiff.schema.v1.kind');
  const kinds = [...registry].filter((d) => isSchemaMessage(d) && getOption(d, kindOption).plural);
  const imports = kinds.map((d) => {
    const path = `./${d.file.name}.ts`;
    return `import { ${d.name} as ${alias(d, kinds)} } from '${path}';`;
  });
  const lines = kinds.map((d) => {
    const k = getOption(d, kindOption);
    const info = {
      group: k.group,
      version: k.version,
      apiVersion: k.group ? `${k.group}/${k.version}` : k.version,
      kind: d.name,
    };
    Object.assign(info, { plural: k.plural, singular: k.singular, shortNames: k.shortNames, namespaced: k.namespaced });
    return `  ${alias(d, kinds)}: { ...${JSON.stringify({ ...info, messageName: d.typeName })}, message: ${alias(d, kinds)} },`;
  });
  return `${imports.join('\n')}\n\nexport const KINDS = {\n${lines.join('\n')}\n} as const;\n`;
}

/**
 * The kind's name. Where several kinds have it, the core group's or else the latest version of a group is called by it alone,
 * another version has the version behind it (HorizontalPodAutoscalerV1), another group the group before it (EventsEvent).
 */
function alias(desc, kinds) {
  const [, group, version] = desc.typeName.split('.');
  const same = kinds.filter((other) => other.name === desc.name && other !== desc).map((d) => d.typeName.split('.'));
  const later = same.some(([, g, v]) => g === group && v > version);
  if (later) return desc.name + version.toUpperCase();
  const otherGroup = same.some(([, g]) => g !== group && g === 'core');
  return otherGroup ? group[0].toUpperCase() + group.slice(1) + desc.name : desc.name;
}

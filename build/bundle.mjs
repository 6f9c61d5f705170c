// Bundles the three programs into dist/, each a single CommonJS file, and makes V8's code cache for the command line so that it
// starts fast. Usage: node build/bundle.mjs [name …]
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Output name → entry file. `demo-images` builds the images of the examples from Debian packages. */
const PROGRAMS = {
  cli: 'cli/main.ts',
  'control-plane': 'control-plane/main.ts',
  'node-agent': 'node-agent/main.ts',
  'demo-images': 'build/demo-images/main.ts',
};

/** Libraries that read .proto files at run time: which module does, where the files are from there, and how it names the folder. */
const PROTO_READERS = [
  { name: 'etcd3', module: 'etcd3/lib/connection-pool.js', folder: '../proto', named: '/../proto' },
  { name: 'health', module: 'grpc-health-check/build/src/health.js', folder: '../../proto', named: '/../../proto' },
  ...['v1', 'v1alpha'].map((version) => ({
    name: 'reflection',
    module: `@grpc/reflection/build/src/implementations/reflection-${version}.js`,
    folder: '../../proto',
    named: '../../proto',
  })),
];

/** Such files lie beside the library's module; a bundle finds them beside itself. */
const protoFiles = {
  name: 'proto-files',
  setup(builder) {
    for (const { name, module, folder, named } of PROTO_READERS) {
      builder.onLoad({ filter: new RegExp(`/${module.replaceAll('.', '\\.')}$`) }, ({ path }) => {
        cpSync(join(dirname(path), folder), join(dist, 'proto', name), { recursive: true });
        const source = readFileSync(path, 'utf8');
        const contents = source.replaceAll(named, `${named.startsWith('/') ? '/' : ''}proto/${name}`);
        if (contents === source) throw new Error(`${module} no longer reads ${named}`);
        return { contents, loader: 'js' };
      });
    }
  },
};

/**
 * The command line speaks gRPC over Node's own HTTP/2 and needs only the messages. This leaves out the generated client
 * classes, and with them the gRPC library.
 */
const withoutUnusedServices = {
  name: 'without-unused-services',
  setup(build) {
    build.onResolve({ filter: /^@grpc\/grpc-js$/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (pluginData === 'resolving') return undefined;
      const found = await build.resolve(path, { kind, resolveDir, pluginData: 'resolving' });
      return { ...found, sideEffects: false };
    });
    build.onLoad({ filter: /proto\/gen\/skiff\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(/\bmakeGenericClientConstructor\(\w+, "[\w.]+"\)/g, 'undefined'),
      loader: 'ts',
    }));
  },
};

/**
 * The library that signs certificates is as large as the rest of the command line, and its mere presence there would cost every
 * verb 20 ms. It is a file of its own, read when something must be signed.
 */
const signingApart = {
  name: 'signing-apart',
  setup(builder) {
    builder.onResolve({ filter: /^(reflect-metadata|@peculiar\/x509)$/ }, () => ({
      path: './x509.cjs',
      external: true,
    }));
  },
};

const wanted = process.argv.slice(2);
const names = Object.keys(PROGRAMS).filter((name) => wanted.length === 0 || wanted.includes(name));
mkdirSync(dist, { recursive: true });
await Promise.all([...names.map(bundle), bundleSigning()]);
copyDescriptors();
for (const name of names) makeCodeCache(name);

/** One program. Dynamic imports stay lazy: each verb of the CLI is evaluated only when it is used. */
async function bundle(name) {
  await build({
    entryPoints: [join(root, PROGRAMS[name])],
    outfile: join(dist, `${name}.cjs`),
    bundle: true,
    platform: 'node',
    target: 'node20',
    // So that what lies beside the bundle is loaded with its own `require`.
    supported: { 'dynamic-import': false },
    format: 'cjs',
    minifySyntax: true,
    // Names stay as they are, but for the few that collide; keeping those too would cost a call for every closure made.
    minifyWhitespace: true,
    legalComments: 'linked',
    logLevel: 'warning',
    // What is meant to be optional in the libraries stays optional.
    external: ['pino-pretty'],
    define: {
      SKIFF_VERSION: JSON.stringify(version),
      SKIFF_COMMIT: JSON.stringify(commit()),
      'import.meta.url': '__skiff_url',
    },
    plugins: [protoFiles, signingApart, ...(name === 'cli' ? [withoutUnusedServices] : [])],
    banner: { js: "const __skiff_url = require('node:url').pathToFileURL(__filename).href;" },
  });
}

/** The polyfill goes first, as the library demands. */
async function bundleSigning() {
  await build({
    stdin: { contents: "require('reflect-metadata'); module.exports = require('@peculiar/x509');", resolveDir: root },
    outfile: join(dist, 'x509.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'linked',
    logLevel: 'warning',
  });
}

/** The commit built from; empty outside a git checkout. */
function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** The server's reflection service reads the descriptors at run time. */
function copyDescriptors() {
  writeFileSync(join(dist, 'descriptors.binpb'), readFileSync(join(root, 'proto/gen/descriptors.binpb')));
}

/** A code cache is only valid for this Node.js; the launcher checks, and goes on without it when V8 rejects it. */
function makeCodeCache(name) {
  const cache = join(dist, `${name}.cache`);
  rmSync(cache, { force: true });
  if (name === 'demo-images') return;
  execFileSync(process.execPath, [join(root, 'bin/skiff'), '--make-code-cache', name], { stdio: 'inherit' });
  if (!existsSync(cache)) throw new Error(`no code cache was made for ${name}`);
}

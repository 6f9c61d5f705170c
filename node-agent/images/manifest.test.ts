import { describe, expect, it } from 'vitest';
import { isImageError } from './image-store.ts';
import { choosePlatform, type Descriptor, MAX_DOCUMENT_BYTES, parseConfig, parseManifestOrIndex } from './manifest.ts';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

function descriptors(...platforms: readonly string[]): Descriptor[] {
  return platforms.map((platform) => {
    const [os = '', architecture = '', variant = ''] = platform.split('/');
    return { mediaType: '', digest: platform, sizeBytes: 1, annotations: {}, platform: { os, architecture, variant } };
  });
}

describe('an index', () => {
  it.each([
    ['amd64', '', ['linux/arm64/v8', 'linux/amd64', 'windows/amd64'], 'linux/amd64'],
    ['amd64', '', ['linux/amd64/v3', 'linux/amd64'], 'linux/amd64'],
    ['amd64', '', ['linux/amd64/v3'], undefined],
    ['arm64', 'v8', ['linux/arm64'], 'linux/arm64'],
    ['arm64', 'v8', ['linux/arm64', 'linux/arm64/v8'], 'linux/arm64/v8'],
    ['arm', 'v7', ['linux/arm/v5', 'linux/arm/v6', 'linux/arm64/v8'], 'linux/arm/v6'],
    ['arm', 'v7', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
    ['arm', 'v6', ['linux/arm/v7'], undefined],
    ['amd64', '', ['unknown/unknown', 'windows/amd64'], undefined],
    ['amd64', '', [], undefined],
  ])('for linux/%s/%s of %j gives %s', (architecture, variant, there, chosen) => {
    expect(choosePlatform(descriptors(...there), { os: 'linux', architecture, variant })?.digest).toBe(chosen);
  });
});

describe('a document', () => {
  const layer = { mediaType: 'x', digest: DIGEST, size: 1 };
  const many = Array.from({ length: 201 }, () => layer);

  it.each([
    ['no JSON', 'hello', 'not JSON'],
    ['a list', '[]', 'must be an object'],
    ['null', 'null', 'must be an object'],
    ['no config', '{"layers":[]}', 'config'],
    ['no layers', `{"config":${JSON.stringify(layer)}}`, 'layers'],
    ['another digest', '{"config":{"digest":"md5:1","size":1},"layers":[]}', 'sha256 digest'],
    [
      'a digest that is a path',
      '{"config":{"digest":"sha256:../../etc/passwd","size":1},"layers":[]}',
      'sha256 digest',
    ],
    ['a negative size', `{"config":{"digest":"${DIGEST}","size":-1},"layers":[]}`, 'without a size'],
    ['too many layers', JSON.stringify({ config: layer, layers: many }), '200 is the limit'],
    ["Docker's first schema", '{"schemaVersion":1}', 'first schema'],
    ['too many bytes', `"${'x'.repeat(MAX_DOCUMENT_BYTES)}"`, 'is the limit'],
  ])('is no manifest with %s', (_name, text, because) => {
    const parse = (): unknown => parseManifestOrIndex(Buffer.from(text));
    expect(parse).toThrow(because);
    try {
      parse();
    } catch (err) {
      expect(isImageError(err, 'InvalidImage', 'Unsupported')).toBe(true);
    }
  });

  it('is a configuration with only what was written', () => {
    expect(parseConfig(Buffer.from('{}'))).toEqual({
      platform: { os: 'linux', architecture: '', variant: '' },
      diffIds: [],
      config: {},
    });
    const full = {
      architecture: 'arm',
      variant: 'v7',
      os: 'linux',
      rootfs: { diff_ids: [DIGEST] },
      config: {
        Cmd: [],
        Entrypoint: null,
        Env: ['A='],
        WorkingDir: '',
        Volumes: { '/b': {}, '/a': {} },
        Labels: { l: 'v' },
      },
    };
    expect(parseConfig(Buffer.from(JSON.stringify(full)))).toEqual({
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
      diffIds: [DIGEST],
      config: { cmd: [], env: ['A='], volumes: ['/a', '/b'], labels: { l: 'v' } },
    });
  });

  it.each([
    ['a command that is text', { config: { Cmd: 'sh' } }, 'must be a list'],
    ['a NUL in a variable', { config: { Env: ['A=\0'] } }, 'must hold text'],
    ['a number for a user', { config: { User: 5 } }, 'must be text'],
    ['a layer that is a path', { rootfs: { diff_ids: ['sha256:../..'] } }, 'sha256 digests'],
  ])('is no configuration with %s', (_name, value, because) => {
    expect(() => parseConfig(Buffer.from(JSON.stringify(value)))).toThrow(because);
  });
});

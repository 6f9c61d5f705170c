import { describe, expect, it } from 'vitest';
import { isImageError } from './image-store.ts';
import { isImageId, normalizeReference, parseReference } from './reference.ts';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

describe('an image name', () => {
  it.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.16.1', 'docker.io/library/nginx:1.16.1'],
    ['library/nginx', 'docker.io/library/nginx:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['grafana/grafana:10.1', 'docker.io/grafana/grafana:10.1'],
    ['ghcr.io/a/b/c', 'ghcr.io/a/b/c:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry:5000/app:v1', 'registry:5000/app:v1'],
    ['127.0.0.1:5000/a/b:v1', '127.0.0.1:5000/a/b:v1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['Host/app', 'Host/app:latest'],
    ['a__b/c-d.e_f', 'docker.io/a__b/c-d.e_f:latest'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`nginx:1.16@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`localhost:5000/app@${DIGEST}`, `localhost:5000/app@${DIGEST}`],
    ['skiff.local/hello:1', 'skiff.local/hello:1'],
  ])('%s means %s', (text, full) => {
    expect(normalizeReference(text)).toBe(full);
    expect(normalizeReference(full)).toBe(full);
  });

  it('keeps its tag beside a digest', () => {
    expect(parseReference(`nginx:1.16@${DIGEST}`)).toEqual({
      registry: 'docker.io',
      repository: 'library/nginx',
      tag: '1.16',
      digest: DIGEST,
    });
  });

  it.each([
    ['', 'empty'],
    ['Nginx', 'lower case'],
    ['nginx:', 'a tag has'],
    ['nginx:-1', 'a tag has'],
    [`nginx:${'t'.repeat(129)}`, 'a tag has'],
    ['nginx@sha256:12', 'the part after @'],
    ['nginx@md5:12', 'the part after @'],
    [`nginx@sha256:${'A'.repeat(64)}`, 'the part after @'],
    ['a'.repeat(64), 'image id'],
    ['a//b', 'a repository is'],
    ['/a', 'a repository is'],
    ['a/', 'a repository is'],
    ['a b', 'a repository is'],
    ['a..b', 'a repository is'],
    ['../etc', 'registry'],
    ['-x.y/a', 'registry'],
    ['http://host/a', 'registry'],
    ['a___b', 'a repository is'],
    [`h.io/${'a'.repeat(260)}`, 'longer than 255'],
    ['$(id)', 'a repository is'],
  ])('%j is refused: %s', (text, because) => {
    const refused = (() => {
      try {
        return parseReference(text);
      } catch (err) {
        return err;
      }
    })();
    expect(isImageError(refused, 'InvalidName')).toBe(true);
    expect(String(refused)).toContain(because);
  });

  it('is told apart from an id', () => {
    expect(isImageId(DIGEST)).toBe(true);
    expect(isImageId('a1a1a1a1a1a1')).toBe(true);
    expect(isImageId('nginx')).toBe(false);
    expect(isImageId('a1a1')).toBe(false);
  });
});

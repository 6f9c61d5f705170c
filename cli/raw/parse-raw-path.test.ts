import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CliError } from '../errors/cli-error.ts';
import { parseRawPath } from './parse-raw-path.ts';

const query = { labelSelector: '', fieldSelector: '', limit: 0, continue: '' };
const objects = (parts: object): object => ({
  ...{ type: 'objects', group: '', version: 'v1', namespace: '', name: '', subresource: '', query },
  ...parts,
});

describe('what a path asks for', () => {
  const rows: readonly [string, object | undefined][] = [
    ['/readyz', { type: 'health' }],
    ['/version/', { type: 'version' }],
    ['/api', { type: 'core-versions' }],
    ['/apis', { type: 'groups' }],
    ['/apis/apps', { type: 'group', group: 'apps' }],
    ['/api/v1', { type: 'resources', group: '', version: 'v1' }],
    ['/apis/apps/v1?pretty=true', { type: 'resources', group: 'apps', version: 'v1' }],
    ['/api/v1/pods', objects({ plural: 'pods' })],
    ['/api/v1/nodes/pi4', objects({ plural: 'nodes', name: 'pi4' })],
    ['/api/v1/namespaces', objects({ plural: 'namespaces' })],
    ['/api/v1/namespaces/web', objects({ plural: 'namespaces', name: 'web' })],
    ['/api/v1/namespaces/web/finalize', objects({ plural: 'namespaces', name: 'web', subresource: 'finalize' })],
    ['/api/v1/namespaces/web/pods', objects({ plural: 'pods', namespace: 'web' })],
    ['/api/v1/namespaces/web/pods/a', objects({ plural: 'pods', namespace: 'web', name: 'a' })],
    [
      '/apis/apps/v1/namespaces/web/deployments/a/scale',
      objects({ group: 'apps', plural: 'deployments', namespace: 'web', name: 'a', subresource: 'scale' }),
    ],
    [
      '/api/v1/pods?labelSelector=app%3Dweb&fieldSelector=status.phase%3DRunning&limit=5&continue=x',
      objects({
        plural: 'pods',
        query: { labelSelector: 'app=web', fieldSelector: 'status.phase=Running', limit: 5, continue: 'x' },
      }),
    ],
    ['/api/v1/pods?watch=false', objects({ plural: 'pods' })],
    ['/', undefined],
    ['/metrics', undefined],
    ['/readyz/etcd', undefined],
    ['/api/v1/namespaces/web/pods/a/status/more', undefined],
  ];
  test.each(rows)('%s', (path, expected) => {
    expect(parseRawPath(path)).toEqual(expected);
  });
});

describe('what is no path', () => {
  const rows: readonly [string, string][] = [
    ['api/v1', 'a path begins with /'],
    ['/api/v1/pods/%zz', '"%zz" is not encoded as parts of addresses are'],
    ['/api/v1/pods?limit=many', 'invalid limit "many"'],
    ['/api/v1/pods?watch=1', '--raw does not watch'],
    ['/api/v1/pods?follow=true', 'the parameter "follow" is not served'],
    ['/api/v1/nodes/pi4?limit=1', 'this names one object'],
  ];
  test.each(rows)('%s', (path, message) => {
    expect(() => parseRawPath(path)).toThrow(message);
  });

  test('whatever is typed is read or refused, never a defect', () => {
    const piece = fc.constantFrom(
      'api',
      'apis',
      'v1',
      'apps',
      'namespaces',
      'pods',
      '%',
      '%2F',
      '..',
      '?',
      '&',
      '=',
      '#',
      'limit',
    );
    const path = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }).map((all) => `/${all.join('/')}`),
    );
    fc.assert(
      fc.property(path, (text) => {
        try {
          parseRawPath(text);
        } catch (err) {
          expect(err).toBeInstanceOf(CliError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

import { describe, expect, test } from 'vitest';
import { assignPlaces, haproxyConfig, placeCommands, shapeOf } from './haproxy-config.ts';
import type { IngressPlan } from './plan.ts';

function plan(...servers: string[]): IngressPlan {
  const routes = [{ host: '*.x.y', path: '/a', match: 'Prefix' as const, backend: 'w' }];
  return { routes, fallback: undefined, backends: [{ id: 'w', servers }], certificates: [], problems: [] };
}

describe('the places of servers', () => {
  test('stay for those that stay, so that a change needs no reload', () => {
    const first = assignPlaces(plan('a:1', 'b:1'), new Map());
    expect(first.get('w')).toEqual(['a:1', 'b:1', undefined, undefined]);
    const second = assignPlaces(plan('b:1', 'c:1'), first);
    expect(second.get('w')).toEqual(['c:1', 'b:1', undefined, undefined]);
    expect(shapeOf(plan('b:1', 'c:1'), second)).toBe(shapeOf(plan('a:1', 'b:1'), first));
    expect(placeCommands(first, second)).toEqual([
      'set server w/s1 state maint',
      'set server w/s1 addr c port 1',
      'set server w/s1 state ready',
    ]);
    expect(placeCommands(second, assignPlaces(plan('b:1'), second))).toEqual(['set server w/s1 state maint']);
  });

  test('become more when there are too few', () => {
    const many = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1'];
    const places = assignPlaces(plan(...many), assignPlaces(plan('a:1'), new Map()));
    expect(places.get('w')).toHaveLength(10);
    expect(shapeOf(plan(...many), places)).not.toBe(shapeOf(plan('a:1'), assignPlaces(plan('a:1'), new Map())));
  });
});

test('a configuration has a line for each route and place', () => {
  const places = assignPlaces(plan('10.42.0.7:80'), new Map());
  const paths = { adminSocket: '/run/a.sock', certificateList: '/run/list' };
  const text = haproxyConfig(plan('10.42.0.7:80'), places, { paths, ports: { http: 80, https: 443 } });
  expect(text).toContain('  bind :443 ssl crt-list /run/list alpn h2,http/1.1\n');
  expect(text).toContain(
    "  use_backend w if { var(txn.host) -m reg '^[^.]+\\.x\\.y$' } { path -m str '/a' } or " +
      "{ var(txn.host) -m reg '^[^.]+\\.x\\.y$' } { path -m beg '/a/' }\n",
  );
  expect(text).toContain('  server s1 10.42.0.7:80\n  server s2 127.0.0.1:9 disabled\n');
  expect(text).toContain('  default_backend nothing_here\n');
});

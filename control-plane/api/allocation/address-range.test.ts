import { describe, expect, test } from 'vitest';
import { addressRange } from './address-range.ts';

describe('a range of service addresses', () => {
  test('numbers its addresses', () => {
    const range = addressRange('10.43.0.0/16');
    expect(range).toMatchObject({ size: 65_536, firstAutomatic: 257 });
    expect(range.addressAt(1)).toBe('10.43.0.1');
    expect(range.addressAt(257)).toBe('10.43.1.1');
    expect(range.indexOf('10.43.1.1')).toBe(257);
    expect(range.indexOf('10.43.255.254')).toBe(65_534);
  });

  test.each(['10.43.0.0', '10.43.255.255', '10.42.255.255', '10.44.0.0', 'None', '::1', ''])(
    'has no place for %j',
    (text) => {
      expect(addressRange('10.43.0.0/16').indexOf(text)).toBeUndefined();
    },
  );

  test('begins where the network does, wherever it was written', () => {
    expect(addressRange('192.168.7.99/24').addressAt(0)).toBe('192.168.7.0');
    expect(addressRange('192.168.7.0/24').firstAutomatic).toBe(17);
  });

  test('may be of any size down to four', () => {
    const range = addressRange('10.0.0.4/30');
    expect([range.size, range.firstAutomatic, range.addressAt(2)]).toEqual([4, 3, '10.0.0.6']);
    expect(addressRange('0.0.0.0/0').addressAt(2 ** 32 - 1)).toBe('255.255.255.255');
  });

  test.each(['10.0.0.0/31', '10.0.0.0', '10.0.0.0/a', 'fd00::/64', '10.0.0/16', ''])('cannot be %j', (text) => {
    expect(() => addressRange(text)).toThrow('must be a range of IPv4 addresses');
  });
});

/** Prefix: text, masking, arithmetic; and what netmask alone would get wrong. */
import fc from 'fast-check';
import { Netmask } from 'netmask';
import { describe, expect, it } from 'vitest';
import { familyBits, IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { Range } from '../../src/net/range.ts';
import { addressOf, anyAddress, anyFamily, anyPrefix, crowdedPrefix, prefixOf } from '../support/net-arbitrary.ts';

/** A prefix that the test itself writes down. */
function prefix(text: string): Prefix {
  const parsed = Prefix.parse(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
}

describe('parse', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8', false],
    ['10.1.2.3/8', '10.0.0.0/8', true],
    ['192.168.1.200/28', '192.168.1.192/28', true],
    ['0.0.0.0/0', '0.0.0.0/0', false],
    ['255.255.255.255/0', '0.0.0.0/0', true],
    ['192.0.2.1/31', '192.0.2.0/31', true],
    ['192.0.2.1/32', '192.0.2.1/32', false],
    // Both are the examples of RFC 4291 §2.3.
    ['2001:0DB8:0000:CD30:0000:0000:0000:0000/60', '2001:db8:0:cd30::/60', false],
    ['2001:0DB8:0:CD30:123:4567:89AB:CDEF/60', '2001:db8:0:cd30::/60', true],
    ['2001:db8::1/64', '2001:db8::/64', true],
    ['::1/0', '::/0', true],
    ['::/0', '::/0', false],
    ['fe80::1/10', 'fe80::/10', true],
    ['::1/128', '::1/128', false],
    ['::ffff:10.1.2.3/104', '::ffff:10.0.0.0/104', true],
    ['::ffff:10.1.2.3/95', '::fffe:0:0/95', true],
  ])('%s is %s, host bits: %s', (text, canonical, hostBits) => {
    const parsed = Prefix.parseNoting(text);
    expect(parsed && Prefix.format(parsed.prefix)).toBe(canonical);
    expect(parsed?.hostBits).toBe(hostBits);
  });

  it.each([
    ['no length', '10.0.0.0'],
    ['no length, IPv6', '::'],
    ['an empty length', '10.0.0.0/'],
    ['no address', '/8'],
    ['leading zero', '10.0.0.0/08'],
    ['two zeros', '10.0.0.0/00'],
    ['too long', '10.0.0.0/33'],
    ['too long, IPv6', '::/129'],
    ['far too long', '10.0.0.0/99999999999999999999'],
    ['a plus', '10.0.0.0/+1'],
    ['a minus', '10.0.0.0/-1'],
    ['a fraction', '10.0.0.0/8.0'],
    ['an exponent', '10.0.0.0/1e1'],
    ['hexadecimal', '10.0.0.0/0x8'],
    ['a mask', '10.0.0.0/255.0.0.0'],
    ['a blank behind', '10.0.0.0/8 '],
    ['a blank before', ' 10.0.0.0/8'],
    ['a blank before the length', '10.0.0.0/ 8'],
    ['a line break', '10.0.0.0/8\n'],
    ['two lengths', '10.0.0.0/8/8'],
    ['a short form', '10/8'],
    ['an octal address', '010.0.0.0/8'],
    ['a zone', 'fe80::1%eth0/64'],
    ['a zone behind', 'fe80::1/64%eth0'],
    ['two ::', '1::2::3/64'],
  ])('refuses %s: %j', (_why, text) => {
    expect(Prefix.parse(text)).toBeUndefined();
  });

  it('undoes format', () => {
    fc.assert(
      fc.property(anyPrefix, each => {
        expect(Prefix.parseNoting(Prefix.format(each))).toEqual({ prefix: each, hostBits: false });
      }),
      { numRuns: 1000 },
    );
  });

  it('masks as `of` does, and says so', () => {
    fc.assert(
      fc.property(anyAddress, fc.nat(128), (address, length) => {
        fc.pre(length <= familyBits[address.family]);
        const masked = Prefix.of(address, length);
        const parsed = Prefix.parseNoting(`${IpAddress.format(address)}/${length}`);
        expect(parsed).toEqual({ prefix: masked, hostBits: masked.address.value !== address.value });
      }),
    );
  });
});

describe('arithmetic', () => {
  it('masks host bits, and nothing else', () => {
    fc.assert(
      fc.property(anyAddress, fc.nat(128), (address, length) => {
        const bits = familyBits[address.family];
        fc.pre(length <= bits);
        const host = 2n ** BigInt(bits - length);
        const made = Prefix.of(address, length);
        expect(made.address.value).toBe((address.value / host) * host);
        expect(Prefix.last(made).value).toBe(made.address.value + host - 1n);
        expect(Prefix.size(made)).toBe(host);
      }),
    );
  });

  it.each([-1, 33, 1.5, Number.NaN])('of() throws for the IPv4 length %s', length => {
    expect(() => Prefix.of({ family: 'ipv4', value: 0n }, length)).toThrow(RangeError);
  });

  it('contains what lies between its ends', () => {
    const near = crowdedPrefix.chain(each => fc.tuple(fc.constant(each), addressOf(each.address.family)));
    fc.assert(
      fc.property(fc.oneof(near, fc.tuple(anyPrefix, anyAddress)), ([each, address]) => {
        expect(Prefix.contains(each, address)).toBe(Range.contains(Range.ofPrefix(each), address));
      }),
    );
  });

  it('covers and overlaps as ranges do', () => {
    const pair = fc.oneof(fc.tuple(crowdedPrefix, crowdedPrefix), fc.tuple(anyPrefix, anyPrefix));
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const [ra, rb] = [Range.ofPrefix(a), Range.ofPrefix(b)];
        expect(Prefix.overlaps(a, b)).toBe(Range.overlaps(ra, rb));
        expect(Prefix.covers(a, b)).toBe(Range.contains(ra, rb.first) && Range.contains(ra, rb.last));
        expect(Prefix.equals(a, b)).toBe(Range.equals(ra, rb));
      }),
      { numRuns: 1000 },
    );
  });

  it('a host prefix holds its address only', () => {
    fc.assert(
      fc.property(anyAddress, address => {
        const host = Prefix.host(address);
        expect(Range.ofPrefix(host)).toEqual({ first: address, last: address });
        expect(Prefix.parse(Prefix.format(host))).toEqual(host);
      }),
    );
  });

  it('sorts by family, network, then wider first', () => {
    const sorted = ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/9', '10.128.0.0/9', '::/0', '::/128', '2001:db8::/32'];
    const shuffled = fc.shuffledSubarray(sorted, { minLength: sorted.length });
    fc.assert(
      fc.property(shuffled, texts => {
        expect(texts.map(prefix).sort(Prefix.compare).map(Prefix.format)).toEqual(sorted);
      }),
    );
  });
});

describe('why netmask alone is not enough', () => {
  it.each(['2001:db8::/64', '::/0', '2001:db8::/32'])('a float counts %s: one more address is lost in it', text => {
    const size = new Netmask(text).size;
    expect(Number.isSafeInteger(size)).toBe(false);
    expect(size + 1).toBe(size);
    expect(Prefix.size(prefix(text))).toBe(2n ** BigInt(128 - prefix(text).length));
    expect(Prefix.size(prefix(text)) + 1n).not.toBe(Prefix.size(prefix(text)));
  });

  it('a float counts the free addresses of a /64 with one taken as a whole /64', () => {
    expect(new Netmask('2001:db8::/64').size - 1).toBe(2 ** 64);
    const first = prefix('2001:db8::/64').address;
    const rest = Range.of({ family: 'ipv6', value: first.value + 1n }, Prefix.last(prefix('2001:db8::/64')));
    expect(rest && Range.size(rest)).toBe(2n ** 64n - 1n);
  });

  it('its first and last leave out addresses that a pool may hand out', () => {
    expect(new Netmask('192.0.2.0/24').last).toBe('192.0.2.254');
    expect(IpAddress.format(Prefix.last(prefix('192.0.2.0/24')))).toBe('192.0.2.255');
  });

  it.each([
    ['a short form', '10.1/16', '10.0.0.0/16'],
    ['a lone number', '10/8', '0.0.0.0/8'],
    ['no length', '10.0.0.1', '10.0.0.1/32'],
    ['octal', '010.0.0.0/8', '8.0.0.0/8'],
    ['hexadecimal', '0x0a.0.0.0/8', '10.0.0.0/8'],
    ['one number', '167772160/8', '10.0.0.0/8'],
    ['leading zero in the length', '10.0.0.0/08', '10.0.0.0/8'],
    ['a plus', '10.0.0.0/+8', '10.0.0.0/8'],
    ['a blank', '10.0.0.0/ 8', '10.0.0.0/8'],
    ['rubbish behind', '10.0.0.0/8x', '10.0.0.0/8'],
    ['two lengths', '10.0.0.0/8/9', '10.0.0.0/8'],
    ['a mask', '10.0.0.0/255.0.0.0', '10.0.0.0/8'],
    ['a zone', 'fe80::1%eth0/64', 'fe80::/64'],
    [':: for nothing', '1:2:3:4::5:6:7:8/64', '1:2:3:4::/64'],
    ['a group with rubbish behind', '2001:db8::1z/64', '2001:db8::/64'],
  ])('it reads %s: %s as %s, inet_pton does not', (_why, text, as) => {
    expect(new Netmask(text).toString()).toBe(as);
    expect(Prefix.parse(text)).toBeUndefined();
  });

  it('and where it is exact, we agree', () => {
    const addressIn = anyFamily.chain(family => fc.tuple(prefixOf(family), addressOf(family)));
    fc.assert(
      fc.property(addressIn, ([each, address]) => {
        const block = new Netmask(Prefix.format(each));
        expect(block.bitmask).toBe(each.length);
        expect(IpAddress.parse(block.base)).toEqual(each.address);
        expect(block.contains(IpAddress.format(address))).toBe(Prefix.contains(each, address));
        if (Prefix.size(each) <= 2n ** 53n) expect(BigInt(block.size)).toBe(Prefix.size(each));
      }),
    );
  });
});

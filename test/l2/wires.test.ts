/** Whether a link still leads anywhere: who is asked, when it is silent, and what comes after (RFC 5227 §2.1.1). */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Wire } from '../../src/l2/address-table.ts';
import { Wires } from '../../src/l2/wires.ts';
import { IpAddress } from '../../src/net/ip.ts';

const address = (number: number) => IpAddress.of('ipv4', 0x0a00_0000n + BigInt(number));
const peers = Array.from({ length: 5 }, (_, i) => ({ node: `n${i}`, address: address(i) }));
const router = { node: '', address: address(99) };
const link = { index: 2, mac: { value: 0x0200_0000_0001 } };

let wires: Wires;
let wire: Wire;
let nowMs: number;

beforeEach(() => {
  wires = new Wires();
  wire = { link: 2, heardMs: 0, speaker: undefined };
  nowMs = 10_000;
  begin();
});

function begin(isThere = true, neighbours = [...peers, router]): void {
  const links = [{ ...link, neighbours }];
  wires.meet(links);
  wires.begin(links, () => isThere);
}

/** Looks every 100 ms, as holding does. */
function run(ms: number): { asked: IpAddress[]; silentMs: number | undefined; backMs: number | undefined } {
  const asked: IpAddress[] = [];
  let silentMs: number | undefined;
  let backMs: number | undefined;
  for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 100) {
    const { ask, silent, back } = wires.look([wire], false, nowMs);
    asked.push(...ask.map(({ neighbour }) => neighbour));
    if (silent.length > 0) silentMs = nowMs;
    if (back.length > 0) backMs = nowMs;
  }
  return { asked, silentMs, backMs };
}

describe('a link that carries something', () => {
  it('is answered on, and nobody is asked while it does so by itself', () => {
    for (let i = 0; i < 20; i++) {
      wire = { ...wire, heardMs: nowMs };
      expect(run(100)).toEqual({ asked: [], silentMs: undefined, backMs: undefined });
    }
  });

  it('is answered on while anybody answers when asked, however idle it is otherwise', () => {
    for (let i = 0; i < 100; i++) {
      const { asked, silentMs } = run(100);
      expect(silentMs).toBeUndefined();
      if (asked.length > 0) wire = { ...wire, heardMs: nowMs - 99 };
    }
    expect(wires.untilMs(2)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('a link that carries nothing', () => {
  it('is silent within 400 ms, after all who may be there were asked', () => {
    const { asked, silentMs } = run(400);
    expect(silentMs).toBe(10_300);
    expect(new Set(asked.map(IpAddress.format)).size).toBe(6);
    expect(wires.untilMs(2)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is not known to lead anywhere until it has carried something or is silent', () => {
    const isKnown = () => wires.look([wire], false, nowMs).isKnown;
    expect(isKnown()).toBe(false);
    wire = { ...wire, heardMs: nowMs + 1 };
    nowMs += 100;
    expect(isKnown()).toBe(true);
    begin();
    expect(isKnown()).toBe(false);
    expect(run(400).silentMs).toBeDefined();
    expect(isKnown()).toBe(true);
  });

  it('at once after this process stood still, for then it need not have heard what was said', () => {
    expect(wires.look([wire], true, nowMs).silent).toEqual([2]);
  });

  it('where it was made anew while the store was out of reach, too', () => {
    wire = { ...wire, link: 7 };
    expect(run(400).silentMs).toBeUndefined();
    wires.meet([{ ...link, index: 7, neighbours: [...peers, router] }]);
    expect(run(400).silentMs).toBeDefined();
    expect(wires.untilMs(7)).toBe(Number.POSITIVE_INFINITY);
  });

  it('never where there never was another node that could take anything', () => {
    wires = new Wires();
    begin(true, [router]);
    expect(run(5_000)).toEqual({ asked: [], silentMs: undefined, backMs: undefined });
  });

  it('where no other node had a session, too: each may begin one that nobody here sees', () => {
    begin(false);
    expect(run(400).silentMs).toBe(10_300);
  });

  it('and where the others do not even tell where they are any more, since their sessions were ended', () => {
    begin(false, [router]);
    const { asked, silentMs } = run(400);
    expect([new Set(asked.map(IpAddress.format)).size, silentMs]).toEqual([6, 10_300]);
  });

  it('never by a stall of the main thread alone: what was heard meanwhile was heard', () => {
    run(100);
    wire = { ...wire, heardMs: nowMs - 99 };
    nowMs += 2_000;
    expect(run(100).silentMs).toBeUndefined();
  });

  it('asks whoever spoke last, too', () => {
    wire = { ...wire, speaker: address(7) };
    expect(run(100).asked).toContainEqual(address(7));
  });
});

describe('a link that is back', () => {
  it('is listened on for 250 ms before anything is answered there', () => {
    run(1_000);
    wire = { ...wire, heardMs: nowMs };
    const { backMs } = run(100);
    expect(backMs).toBe(11_000);
    expect(wires.untilMs(2)).toBe(11_250);
  });

  it('what was heard before it was asked for does not bring it back', () => {
    run(1_000);
    wire = { ...wire, heardMs: 9_990 };
    expect(run(500).backMs).toBeUndefined();
  });
});

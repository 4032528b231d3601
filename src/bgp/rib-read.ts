/** The RIB for people: rows and sets as values, made one at a time when somebody looks. */
import type { Prefix } from '../net/prefix.ts';
import type { AdjOut } from './adj-out.ts';
import type { AttributeContext } from './attribute.ts';
import { checkAttributes } from './attribute-check.ts';
import type { AttributeStore } from './attribute-store.ts';
import { type Decision, decisionSteps } from './decision.ts';
import { NextHop } from './next-hop.ts';
import type { RibAttributes } from './rib-attributes.ts';
import { decodeSet } from './rib-codec.ts';
import { OWN_SLOT, PATH_REASON, PATH_STALE, PATH_UNREFRESHED } from './rib-paths.ts';
import type { RibRows } from './rib-rows.ts';
import type { RibTable } from './rib-table.ts';
import { type AdvertisedView, ineligibleReasons, type RouteView } from './rib-view.ts';

const cx: AttributeContext = { fourOctetAs: true, internal: true, extendedNextHop: ['ipv4-unicast'] };

export class RibReader {
  readonly #attributes: RibAttributes;
  readonly #exports: AttributeStore;
  readonly #decision: Decision;

  constructor(attributes: RibAttributes, exports: AttributeStore, decision: Decision) {
    this.#attributes = attributes;
    this.#exports = exports;
    this.#decision = decision;
  }

  /** All paths of the table, after import; with a slot only its own, as it sent them. */
  *paths(table: RibTable, slot: number | undefined): Iterable<RouteView> {
    for (let row = 0; row < table.rows.top; row++) {
      if (!table.rows.inUse(row)) continue;
      for (let path = table.rows.head[row] as number; path !== 0; path = table.paths.next[path] as number)
        if (slot === undefined || table.paths.slot[path] === slot)
          yield this.#route(table, row, path, slot === undefined);
    }
  }

  *advertised(out: AdjOut): Iterable<AdvertisedView> {
    const { table } = out;
    for (let row = 0; row < table.rows.top; row++) {
      if (!table.rows.inUse(row)) continue;
      const set = out.exportOf(row);
      const pending = out.isPending(row);
      if (set === 0 || (!pending && !out.told.has(row))) continue;
      const prefix = prefixOf(table, row);
      yield { family: table.family.family, prefix, ...this.#exported(set, out.group.fourOctetAs), pending };
    }
  }

  #route(table: RibTable, row: number, path: number, imported: boolean): RouteView {
    const { slot, raw, flags } = table.paths;
    const effective = table.paths.effective(path);
    const own = slot[path] === OWN_SLOT;
    const best = table.best(row) === path;
    const eligible = effective !== 0;
    const set = (eligible && (imported || own) ? effective : raw[path]) as number;
    const flag = flags[path] as number;
    const lost =
      eligible && !best ? this.#decision.lostAt(table.paths, table.rows.head[row] as number, path) : undefined;
    return {
      family: table.family.family,
      prefix: prefixOf(table, row),
      peer: own ? undefined : (slot[path] as number),
      ...decodeSet(this.#attributes, set),
      best,
      step: best ? decisionSteps[table.rows.step[row] as number] : lost,
      ineligible: ineligibleReasons[(flag & PATH_REASON) - 1],
      stale: (flag & (PATH_STALE | PATH_UNREFRESHED)) !== 0,
    };
  }

  #exported(set: number, fourOctetAs: boolean): Pick<AdvertisedView, 'attributes' | 'nextHop'> {
    const octets = this.#exports.copy(set);
    const length = octets[0] as number;
    const check = checkAttributes(octets, 1 + length, octets.length, 'nothing', { ...cx, fourOctetAs });
    const { nextHop: inside, ...attributes } = check.treatment === 'session-reset' ? {} : check.attributes;
    const outside = length > 0 ? NextHop.decode(octets.subarray(1, 1 + length), 'ipv6-unicast', true) : undefined;
    return { attributes, nextHop: inside ? { address: inside } : outside };
  }
}

function prefixOf(table: RibTable, row: number): Prefix {
  const { ip } = table.family;
  return { address: { family: ip, value: addressValue(table.rows, row) }, length: table.rows.length[row] as number };
}

function addressValue(rows: RibRows, row: number): bigint {
  let value = 0n;
  for (let i = 0; i < rows.words; i++)
    value = (value << 32n) | BigInt((rows.key[row * rows.words + i] as number) >>> 0);
  return value;
}

/** Policy rules (linux/fib_rules.h): the one that has a routing table of ours looked up. */
import type { Family } from '../net/ip.ts';
import { Attributes, type NetlinkMessage, type NetlinkWriter, NLM_F_CREATE, NLM_F_EXCL } from './netlink.ts';
import { familyOf, numberOf } from './rtnetlink.ts';

const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_GETRULE = 34;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;
const FRA_PROTOCOL = 21;
const FR_ACT_TO_TBL = 1;
const RULE_HEADER = 12;

export interface Rule {
  readonly family: Family;
  readonly priority: number;
  readonly table: number;
}

export function writeRule(writer: NetlinkWriter, seq: number, rule: Rule, protocol: number): void {
  writer.begin(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, seq);
  writeBody(writer, rule, protocol);
}

export function writeRuleGone(writer: NetlinkWriter, seq: number, rule: Rule, protocol: number): void {
  writer.begin(RTM_DELRULE, 0, seq);
  writeBody(writer, rule, protocol);
}

function writeBody(writer: NetlinkWriter, { family, priority, table }: Rule, protocol: number): void {
  writer.u8(numberOf(family)).u8(0).u8(0).u8(0);
  writer
    .u8(table < 256 ? table : 0)
    .u8(0)
    .u8(0)
    .u8(FR_ACT_TO_TBL)
    .u32(0);
  writer.attributeU32(FRA_PRIORITY, priority).attributeU32(FRA_TABLE, table);
  writer.attributeU8(FRA_PROTOCOL, protocol).end();
}

export function askRules(writer: NetlinkWriter, flags: number, seq: number, family: Family): void {
  writer.begin(RTM_GETRULE, flags, seq).u8(numberOf(family)).u8(0).u16(0).u32(0).u32(0).end();
}

/** Undefined for rules of another protocol. */
export function decodeRule({ type, body }: NetlinkMessage, protocol: number): Rule | undefined {
  const family = familyOf(body[0]);
  if (type !== RTM_NEWRULE || body.length < RULE_HEADER || family === undefined) return undefined;
  if (Attributes.u8(Attributes.find(body, RULE_HEADER, FRA_PROTOCOL)) !== protocol) return undefined;
  const table = Attributes.find(body, RULE_HEADER, FRA_TABLE);
  return {
    family,
    priority: Attributes.u32(Attributes.find(body, RULE_HEADER, FRA_PRIORITY)),
    table: table === undefined ? (body[4] ?? 0) : Attributes.u32(table),
  };
}

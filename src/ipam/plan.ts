/** What a change would do to addresses, before it is made: two allocations of the same claims, compared. */
import { IpAddress } from '../net/ip.ts';
import { Claim } from './claim.ts';
import type { Allocation } from './entry.ts';
import { Refusal, Release } from './reason.ts';

export type Outcome = 'gain' | 'lose' | 'move';

/** One claim whose addresses would change. */
export interface PlannedChange {
  readonly namespace: string;
  readonly name: string;
  readonly outcome: Outcome;
  readonly before: readonly IpAddress[];
  readonly after: readonly IpAddress[];
  /** One sentence for each address lost and for each that is still lacking. */
  readonly why: readonly string[];
}

/** Claims sorted by namespace and name, and what each has. */
export interface Allocated {
  readonly claims: readonly Claim[];
  readonly allocations: readonly Allocation[];
}

/** Every claim whose addresses differ, sorted by namespace and name. */
export function planChanges(before: Allocated, after: Allocated): PlannedChange[] {
  const out: PlannedChange[] = [];
  let at = 0;
  for (const [i, claim] of after.claims.entries()) {
    for (; isBefore(before.claims[at], claim); at++) add(out, before.claims[at], before.allocations[at], undefined);
    const known = before.claims[at];
    const same = known !== undefined && Claim.compareNames(known, claim) === 0;
    add(out, claim, same ? before.allocations[at] : undefined, after.allocations[i]);
    if (same) at++;
  }
  for (; at < before.claims.length; at++) add(out, before.claims[at], before.allocations[at], undefined);
  return out;
}

function isBefore(claim: Claim | undefined, than: Claim): boolean {
  return claim !== undefined && Claim.compareNames(claim, than) < 0;
}

function add(
  out: PlannedChange[],
  claim: Claim | undefined,
  was: Allocation | undefined,
  is: Allocation | undefined,
): void {
  if (claim === undefined) return;
  const before = was?.addresses ?? [];
  const after = is?.addresses ?? [];
  const lost = before.filter(address => !after.some(each => IpAddress.equals(each, address)));
  const won = after.filter(address => !before.some(each => IpAddress.equals(each, address)));
  if (lost.length === 0 && won.length === 0) return;
  const outcome = lost.length === 0 ? 'gain' : won.length === 0 ? 'lose' : 'move';
  const { namespace, name } = claim;
  out.push({ namespace, name, outcome, before, after, why: reasons(lost, is) });
}

function reasons(lost: readonly IpAddress[], is: Allocation | undefined): string[] {
  const losses = lost.map(address => {
    const release = is?.released.find(each => IpAddress.equals(each.address, address));
    const text = release === undefined ? 'the service is gone, or no longer asks us' : Release.text(release);
    return `${IpAddress.format(address)}: ${text}`;
  });
  return [...losses, ...(is?.refusals ?? []).map(Refusal.message)];
}

/** A store of Leases as simulated nodes see it: compare-and-swap, and a history that views follow. */
import type { LeaseContent, SeenLease } from '../../src/l2/lease-record.ts';

/** Objects with versions, and everything that was ever written in its order. */
export class SimStore {
  readonly log: { readonly name: string; readonly lease: SeenLease | undefined }[] = [];
  readonly leases = new Map<string, SeenLease>();

  /** The new version; undefined: conflict. */
  put(lease: LeaseContent, base: string | undefined): string | undefined {
    const before = this.leases.get(lease.name);
    if (before?.resourceVersion !== base) return undefined;
    // As real stores do: what changes nothing has no new version.
    const same =
      before &&
      JSON.stringify({ ...before, resourceVersion: '' }) === JSON.stringify({ ...lease, resourceVersion: '' });
    if (before && same) return before.resourceVersion;
    const resourceVersion = String(this.log.length + 1);
    const stored = { ...lease, resourceVersion };
    this.leases.set(lease.name, stored);
    this.log.push({ name: lease.name, lease: stored });
    return resourceVersion;
  }

  remove(name: string, base: string): boolean {
    const before = this.leases.get(name);
    if (before === undefined) return true;
    if (before.resourceVersion !== base) return false;
    this.leases.delete(name);
    this.log.push({ name, lease: undefined });
    return true;
  }
}

/**
 * The paths of one family: what each peer says about each prefix, as entries of linked lists in columns. Path 0 is no
 * path.
 */
import { nextCapacity, resizedU8, resizedU16, resizedU32, type U8, type U16, type U32 } from './columns.ts';

/** Stands in `slot` for this speaker itself. */
export const OWN_SLOT = 0xffff;

/** Flags of a path; the low bits are 1 + an index into `ineligibleReasons`, or 0. */
export const PATH_REASON = 0x0f;
/** Kept over a restart of the peer (RFC 4724 §4.2). */
export const PATH_STALE = 0x10;
/** Not yet repeated since BoRR (RFC 7313 §4). */
export const PATH_UNREFRESHED = 0x20;
/** Of our own paths: it is in the set just given. */
export const PATH_WANTED = 0x40;

export class RibPaths {
  /** Who said it. */
  slot: U16 = new Uint16Array(0);
  /** Attribute set as received; for routes of our own, which announcement it is (see rib-own.ts). */
  raw: U32 = new Uint32Array(0);
  flags: U8 = new Uint8Array(0);
  /** The prefix's next path. Links free entries. */
  next: U32 = new Uint32Array(0);
  /** Paths in use. */
  size = 0;
  #top = 1;
  #free = 0;
  /**
   * Attribute sets after import; 0: the path is not eligible. Most imports change nothing: as long as that is
   * true of all paths, what their flags and `raw` say is enough, and this is empty.
   */
  #effective: U32 = new Uint32Array(0);

  allocate(slot: number, raw: number, effective: number, flags: number): number {
    let path = this.#free;
    if (path !== 0) this.#free = this.next[path] as number;
    else {
      path = this.#top++;
      if (path >= this.slot.length) this.#grow(nextCapacity(this.slot.length, path + 1));
    }
    this.slot[path] = slot;
    this.raw[path] = raw;
    this.flags[path] = flags;
    this.next[path] = 0;
    this.setEffective(path, effective);
    this.size++;
    return path;
  }

  /** The attribute set that the path takes part in the decision with; 0: it takes no part. */
  effective(path: number): number {
    if (this.#effective.length > 0) return this.#effective[path] as number;
    return this.#unchanged(path);
  }

  /** `raw` and `flags` must be set already; what `effective` said before may be gone by then. */
  setEffective(path: number, set: number): void {
    if (this.#effective.length === 0) {
      if (set === this.#unchanged(path)) return;
      this.#effective = new Uint32Array(this.slot.length);
      for (let each = 1; each < this.#top; each++) this.#effective[each] = this.#unchanged(each);
    }
    this.#effective[path] = set;
  }

  #unchanged(path: number): number {
    return ((this.flags[path] as number) & PATH_REASON) === 0 ? (this.raw[path] as number) : 0;
  }

  free(path: number): void {
    this.next[path] = this.#free;
    this.#free = path;
    this.size--;
    if (this.size > 0) return;
    this.#top = 1;
    this.#free = 0;
    this.#grow(0);
  }

  #grow(capacity: number): void {
    this.slot = resizedU16(this.slot, capacity);
    this.raw = resizedU32(this.raw, capacity);
    if (this.#effective.length > 0) this.#effective = resizedU32(this.#effective, capacity);
    this.flags = resizedU8(this.flags, capacity);
    this.next = resizedU32(this.next, capacity);
  }
}

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
  /** Attribute set after import; 0: the path is not eligible. */
  effective: U32 = new Uint32Array(0);
  flags: U8 = new Uint8Array(0);
  /** The prefix's next path. Links free entries. */
  next: U32 = new Uint32Array(0);
  /** Paths in use. */
  size = 0;
  #top = 1;
  #free = 0;

  allocate(slot: number, raw: number, effective: number, flags: number): number {
    let path = this.#free;
    if (path !== 0) this.#free = this.next[path] as number;
    else {
      path = this.#top++;
      if (path >= this.slot.length) this.#grow(nextCapacity(this.slot.length, path + 1));
    }
    this.slot[path] = slot;
    this.raw[path] = raw;
    this.effective[path] = effective;
    this.flags[path] = flags;
    this.next[path] = 0;
    this.size++;
    return path;
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
    this.effective = resizedU32(this.effective, capacity);
    this.flags = resizedU8(this.flags, capacity);
    this.next = resizedU32(this.next, capacity);
  }
}

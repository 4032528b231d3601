/**
 * What the main thread and the thread `nl` say to each other about routes. Routes travel as bytes, so that a hundred
 * thousand of them cost the main thread a few milliseconds at a time; groups and ends are few and travel as values.
 */
import { familyBits, IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { KernelGroup, KernelOverlay, KernelRoutingStatus, OverlayEnd } from '../runtime/kernel-routes.ts';
import type { RouteKey } from './rtnetlink-routes.ts';

export interface KernelRoutesOptions {
  /** Routing table; our own one is looked up by a rule of this priority, the main one needs none. */
  readonly table: number;
  readonly rulePriority: number;
  /** Nobody tells when what stands in the way is gone: what was refused is tried again so often. */
  readonly refusedAgainMs: number;
}

export interface NumberedGroup extends KernelGroup {
  readonly id: number;
}

/** The overlay without its ends. */
export type OverlayLink = Omit<KernelOverlay, 'ends'>;

/** A part of what differs from what was said before. */
export interface RoutesChange {
  /** Records of `packRoute`. */
  readonly routes: Uint8Array;
  readonly groups: readonly NumberedGroup[];
  readonly groupsGone: readonly number[];
  readonly ends: readonly OverlayEnd[];
  /** By the value of their MAC. */
  readonly endsGone: readonly number[];
}

export type ToRoutes =
  | { readonly about: 'routes'; readonly kind: 'open'; readonly options: KernelRoutesOptions }
  | { readonly about: 'routes'; readonly kind: 'change'; readonly change: RoutesChange }
  /** Now do it. Answered with the same number. */
  | { readonly about: 'routes'; readonly kind: 'commit'; readonly number: number; readonly overlay: OverlayLink | null }
  | { readonly about: 'routes'; readonly kind: 'flush'; readonly number: number };

export interface FromRoutes {
  readonly about: 'routes';
  /** Of the commit this answers; undefined: something happened to the kernel, and this is how it stands now. */
  readonly number: number | undefined;
  readonly status: KernelRoutingStatus;
  /** Netlink is out of reach. */
  readonly failure: string | undefined;
}

/** family, length, two octets of nothing, what it leads to (u32), address. */
export const RECORD = 24;

/** `to` is a group's number or one of `nowhere`, `none` to remove the route. */
export function packRoute(view: DataView, at: number, { address, length }: Prefix, to: number): void {
  view.setUint8(at, address.family === 'ipv4' ? 4 : 6);
  view.setUint8(at + 1, length);
  view.setUint32(at + 4, to);
  if (address.family === 'ipv4') view.setUint32(at + 8, Number(address.value));
  else {
    view.setBigUint64(at + 8, address.value >> 64n);
    view.setBigUint64(at + 16, address.value & 0xffff_ffff_ffff_ffffn);
  }
}

export function unpackRoutes(bytes: Uint8Array, each: (key: RouteKey, to: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + RECORD <= bytes.length; at += RECORD) {
    const family = bytes[at] === 4 ? 'ipv4' : 'ipv6';
    const address = bytes.subarray(at + 8, at + 8 + familyBits[family] / 8);
    each({ family, length: bytes[at + 1] ?? 0, address }, view.getUint32(at + 4));
  }
}

/** `10.1.0.0/16`. */
export function formatKey({ family, length, address }: RouteKey): string {
  return `${IpAddress.format(IpAddress.fromBytes(family, address))}/${length}`;
}

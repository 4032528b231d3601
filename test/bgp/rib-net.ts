/** A RIB with peers, and what each of them has heard, as text. */
import { AsPath } from '../../src/bgp/as-path.ts';
import { Rib } from '../../src/bgp/rib.ts';
import type { PeerView } from '../../src/bgp/rib-view.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { announce, contextOf, drain, formatNextHop, peerView, Receiver, type Said, withdraw } from './rib-wire.ts';

export class Net {
  readonly rib = new Rib({ asn: 65000, routerId: 0x0a0000fe });
  readonly views = new Map<number, PeerView>();
  readonly receivers = new Map<number, Receiver>();

  up(slot: number, more: Partial<PeerView> = {}): Receiver {
    const view = peerView(slot, more);
    const receiver = new Receiver(view);
    this.views.set(slot, view);
    this.receivers.set(slot, receiver);
    this.rib.peerUp(slot, view);
    return receiver;
  }

  view(slot: number): PeerView {
    const view = this.views.get(slot);
    if (view === undefined) throw new Error(`no peer ${slot}`);
    return view;
  }

  say(slot: number, said: Said) {
    const body = announce(said, contextOf(this.view(slot)));
    return { ...this.rib.receiveUpdate(slot, body, 0, body.length) };
  }

  lose(slot: number, prefixes: readonly string[]) {
    const body = withdraw(prefixes);
    return { ...this.rib.receiveUpdate(slot, body, 0, body.length) };
  }

  settle(): void {
    for (const [slot, receiver] of this.receivers) drain(this.rib, slot, receiver);
  }

  /** What a peer holds: prefix, path, next hop. */
  heard(slot: number): string[] {
    this.settle();
    const routes = [...(this.receivers.get(slot)?.routes ?? [])];
    return routes
      .map(
        ([prefix, held]) => `${prefix} [${AsPath.format(held.attributes.asPath ?? [])}] ${formatNextHop(held.nextHop)}`,
      )
      .sort();
  }

  /** Best paths: prefix, and the slot of who said it. */
  loc(): string[] {
    return [...this.rib.loc('ipv4-unicast'), ...this.rib.loc('ipv6-unicast')]
      .filter(route => route.best)
      .map(route => `${Prefix.format(route.prefix)} ${route.peer ?? 'own'}`);
  }
}

/** Which Services may hold one address together (reference §2.13). */

const differentPods =
  'ExternalTrafficPolicy local but selecting different set of pods without ' +
  'lbipam.cilium.io/sharing-permit-different-pods on both services';

/** Why two Services cannot share an address: exactly the texts that conditions carry. The first that holds is said. */
const sharingReasons = [
  'different sharing key',
  'different and not permitted namespace',
  'same port and protocol',
  'different ExternalTrafficPolicy',
  'ExternalTrafficPolicy local but a service has no selector',
  differentPods,
] as const;
export type SharingReason = (typeof sharingReasons)[number];

/** What one Service says about sharing its addresses. One without a key shares with nobody. */
export interface SharingTerms {
  readonly key: string;
  readonly namespace: string;
  /**
   * Other namespaces it shares with; `*` is all of them. Sharing across namespaces must be permitted from both sides.
   */
  readonly permits: readonly string[];
  /** `TCP/80`. */
  readonly ports: readonly string[];
  readonly trafficPolicy: 'Cluster' | 'Local';
  /** The pod selector in a canonical spelling: equal text selects the same pods. Empty when there is none. */
  readonly podSelector: string;
  readonly permitDifferentPods: boolean;
}

/** Symmetric; undefined when the two may hold one address together. */
export function sharingConflict(a: SharingTerms, b: SharingTerms): SharingReason | undefined {
  return beforePorts(a, b) ?? (samePort(a, b) ? 'same port and protocol' : undefined) ?? afterPorts(a, b);
}

export function sameTerms(a: SharingTerms | undefined, b: SharingTerms | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.ports.length === b.ports.length && a.ports.every((port, i) => port === b.ports[i]) && profile(a) === profile(b)
  );
}

/**
 * Those who hold one address, as far as sharing goes. Their ports are disjoint and most of them say the same about the
 * rest, so that asking costs as much as there are ports and different terms, however many Services share the address.
 */
export class Sharers {
  readonly #ports = new Set<string>();
  readonly #profiles = new Map<string, { readonly terms: SharingTerms; count: number }>();

  add(terms: SharingTerms): void {
    for (const port of terms.ports) this.#ports.add(port);
    const same = this.#profiles.get(profile(terms));
    if (same === undefined) this.#profiles.set(profile(terms), { terms, count: 1 });
    else same.count++;
  }

  /** Takes back what `add` was told. */
  remove(terms: SharingTerms): void {
    for (const port of terms.ports) this.#ports.delete(port);
    const same = this.#profiles.get(profile(terms));
    if (same === undefined) throw new Error('removed from an address that it did not share');
    if (--same.count === 0) this.#profiles.delete(profile(terms));
  }

  /** Undefined when `terms` may join everybody here. Whoever came first has no influence on the answer. */
  conflict(terms: SharingTerms): SharingReason | undefined {
    let worst = terms.ports.some(port => this.#ports.has(port)) ? sharingReasons.indexOf('same port and protocol') : -1;
    for (const { terms: other } of this.#profiles.values()) {
      const reason = beforePorts(terms, other) ?? afterPorts(terms, other);
      const place = reason === undefined ? -1 : sharingReasons.indexOf(reason);
      if (place >= 0 && (worst < 0 || place < worst)) worst = place;
    }
    return sharingReasons[worst];
  }
}

function beforePorts(a: SharingTerms, b: SharingTerms): SharingReason | undefined {
  if (a.key !== b.key) return 'different sharing key';
  if (a.namespace === b.namespace || (permits(a, b.namespace) && permits(b, a.namespace))) return undefined;
  return 'different and not permitted namespace';
}

function afterPorts(a: SharingTerms, b: SharingTerms): SharingReason | undefined {
  if (a.trafficPolicy !== b.trafficPolicy) return 'different ExternalTrafficPolicy';
  if (a.trafficPolicy === 'Cluster' || (a.permitDifferentPods && b.permitDifferentPods)) return undefined;
  if (a.podSelector === '' || b.podSelector === '') return 'ExternalTrafficPolicy local but a service has no selector';
  if (a.podSelector === b.podSelector) return undefined;
  return differentPods;
}

function permits(terms: SharingTerms, namespace: string): boolean {
  return terms.permits.includes('*') || terms.permits.includes(namespace);
}

function samePort(a: SharingTerms, b: SharingTerms): boolean {
  return a.ports.some(port => b.ports.includes(port));
}

/** Everything but the ports, as text. */
function profile(terms: SharingTerms): string {
  const { key, namespace, permits, trafficPolicy, podSelector, permitDifferentPods } = terms;
  return JSON.stringify([key, namespace, permits, trafficPolicy, podSelector, permitDifferentPods]);
}

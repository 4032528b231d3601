/**
 * What the control plane is told besides objects: its options (under Cilium's names where they exist) and what the host
 * looks like at the moment. Reference §2.1, §2.4, §1.4.
 */
import type { Family, IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Prefix } from '../net/prefix.ts';
import type { PodImport } from './mesh-bgp.ts';

/** Who hands out pod addresses, which says where a node's PodCIDRs are written. */
export type PodIpam = 'kubernetes' | 'cluster-pool' | 'multi-pool' | 'cluster-pool-v2beta';

export interface ControlSettings {
  /** Two policies on one node: withdraw everything there, as Cilium does. Otherwise the oldest keeps the node. */
  readonly strictPolicyConflicts: boolean;
  /** `--enable-no-service-endpoints-routable`: announce services that have no endpoints. */
  readonly noServiceEndpointsRoutable: boolean;
  readonly ipam: PodIpam;
  /** Where the Secrets with BGP passwords are. */
  readonly secretsNamespace: string;
  /** Where Herald's own Leases are: those of nodes that announce on local networks. */
  readonly leaseNamespace: string;
  /** Which routes are taken from BGP peers, for pods. */
  readonly podImport: PodImport;
  /** Router IDs for nodes that nobody gave one: the node's own, or the operator hands them out from this pool. */
  readonly routerIdPool: Prefix | undefined;
}

export const controlDefaults: ControlSettings = {
  strictPolicyConflicts: false,
  noServiceEndpointsRoutable: true,
  ipam: 'kubernetes',
  secretsNamespace: 'kube-system',
  leaseNamespace: 'kube-system',
  podImport: { ranges: [], defaultRoute: false },
  routerIdPool: undefined,
};

export interface HostLink {
  readonly name: string;
  /** The kernel's number for it. A link that was removed and made again has another one, whatever its name. */
  readonly index: number;
  /** Administratively up, and operationally up or unknown. */
  readonly up: boolean;
  /** Undefined for links that are no Ethernet: loopback, tunnels. */
  readonly mac: Mac | undefined;
  /** Name of the bridge, bond or VRF it is enslaved to. */
  readonly master: string | undefined;
  /** Nobody resolves neighbours on it (IFF_NOARP). */
  readonly noArp: boolean;
  /** What the kernel calls its kind: `veth`, `bridge`, `vxlan`. Undefined for hardware, and where it was not told. */
  readonly kind: string | undefined;
  readonly mtu: number;
  /** Those that can be used: one that duplicate address detection still holds back, or failed, is not among them. */
  readonly addresses: readonly { readonly address: IpAddress; readonly length: number }[];
}

export interface DefaultRoute {
  readonly gateway: IpAddress;
  readonly link: string;
  readonly metric: number;
}

/** This host's links and default routes. Absent altogether where nobody looked, as for other nodes. */
export interface HostFacts {
  readonly links: readonly HostLink[];
  readonly defaultRoutes: readonly DefaultRoute[];
}

export const HostFacts = {
  link(host: HostFacts | undefined, name: string): HostLink | undefined {
    return host?.links.find(link => link.name === name);
  },

  /** The default route of the lowest metric; of equal ones the first by link name. */
  defaultRoute(host: HostFacts | undefined, family: Family): DefaultRoute | undefined {
    const routes = (host?.defaultRoutes ?? []).filter(route => route.gateway.family === family);
    return routes.sort((a, b) => a.metric - b.metric || (a.link < b.link ? -1 : 1))[0];
  },
};

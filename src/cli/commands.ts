/** Every command, with the line `herald --help` shows, and where it is. A command is imported only when it is run. */
import type { Command } from './command.ts';

export interface Listed {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const commands: Readonly<Record<string, Listed>> = {
  run: {
    summary: 'run the control plane from a folder of manifests',
    load: async () => (await import('./run.ts')).run,
  },
  operator: {
    summary: 'the part of the control plane that a cluster has one of',
    load: async () => (await import('./operator.ts')).operator,
  },
  agent: {
    summary: 'the part of the control plane that every node has',
    load: async () => (await import('./agent.ts')).agent,
  },
  install: {
    summary: 'print what a cluster needs to run Herald, for kubectl',
    load: async () => (await import('./install.ts')).install,
  },
  status: {
    summary: 'what a running Herald holds and what it is doing',
    load: async () => (await import('./status.ts')).status,
  },
  announced: {
    summary: 'what a running Herald announces, and what not and why',
    load: async () => (await import('./announced.ts')).announced,
  },
  ipam: {
    summary: 'address pools, and which Service has which address',
    load: async () => (await import('./ipam.ts')).ipam,
  },
  'ipam plan': {
    summary: 'which addresses a change would give, take or move',
    load: async () => (await import('./ipam.ts')).ipamPlan,
  },
  'ipam explain': {
    summary: 'why a Service has its addresses, or none',
    load: async () => (await import('./ipam.ts')).ipamExplain,
  },
  check: {
    summary: 'find every fault in manifests before they are applied',
    load: async () => (await import('./check.ts')).check,
  },
  crds: {
    summary: 'print the CustomResourceDefinitions',
    load: async () => (await import('./crds.ts')).crds,
  },
  speaker: {
    summary: 'speak BGP from one file, without Kubernetes',
    load: async () => (await import('./speaker.ts')).speaker,
  },
  'explain service': {
    summary: 'the way of a Service’s address from pool to router, and where it ends',
    load: async () => (await import('./explain.ts')).explainServiceCommand,
  },
  l2: {
    summary: 'who answers for which address on the local networks',
    load: async () => (await import('./l2.ts')).l2,
  },
  'l2 cleanup': {
    summary: 'remove what Herald left in the kernel of this host',
    load: async () => (await import('./l2.ts')).l2Cleanup,
  },
  'migrate peering-policy': {
    summary: 'the objects of the second BGP API that do what peering policies do',
    load: async () => (await import('./migrate.ts')).migratePeeringPolicy,
  },
  'bgp summary': {
    summary: 'routes per family and every BGP peer in one line',
    load: async () => (await import('./bgp.ts')).bgpSummary,
  },
  'bgp peers': {
    summary: 'BGP peers and what was negotiated with them',
    load: async () => (await import('./bgp.ts')).bgpPeers,
  },
  'bgp routes': {
    summary: 'BGP routes: chosen, heard, told',
    load: async () => (await import('./bgp.ts')).bgpRoutes,
  },
  'bgp policies': {
    summary: 'what routes go through on their way in and out',
    load: async () => (await import('./bgp.ts')).bgpPolicies,
  },
  'mesh status': {
    summary: 'other clusters, and routes to their pods',
    load: async () => (await import('./mesh.ts')).meshStatus,
  },
  'mesh routes': {
    summary: 'which route a pod’s address has, from whom, and why',
    load: async () => (await import('./mesh.ts')).meshRoutesCommand,
  },
  'mesh troubleshoot': {
    summary: 'the way to another cluster, step by step',
    load: async () => (await import('./mesh-connect.ts')).meshTroubleshoot,
  },
  'mesh connect': {
    summary: 'write the file of another cluster, once all of it is right',
    load: async () => (await import('./mesh-connect.ts')).meshConnect,
  },
  'mesh flush': {
    summary: 'remove what is left of pod routes in the kernel',
    load: async () => (await import('./mesh.ts')).meshFlush,
  },
  'lab up': {
    summary: 'bring up a containerlab topology without containers',
    load: async () => (await import('./lab.ts')).labUp,
  },
  'lab verify': {
    summary: 'whether a lab does what it ought to do: sessions, routes, addresses',
    load: async () => (await import('./lab-verify.ts')).labVerify,
  },
  'lab exec': {
    summary: 'run a command in a node of a lab',
    load: async () => (await import('./lab.ts')).labExec,
  },
  'lab ls': {
    summary: 'the labs of this host and their nodes',
    load: async () => (await import('./lab.ts')).labLs,
  },
  'lab down': {
    summary: 'end and remove a lab',
    load: async () => (await import('./lab.ts')).labDown,
  },
  'lab draw': {
    summary: 'a topology as a drawing',
    load: async () => (await import('./lab.ts')).labDraw,
  },
};

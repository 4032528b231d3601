/**
 * The way to another cluster's state, one step after the other, each with what it found or why it ends: certificates,
 * name, TCP, TLS, etcd and its authentication, configuration, canary. As the agent's own certificates see it, so that
 * rights are shown as well. Reference §5.2.
 */
import type { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import type { ClusterIdentity, ClustersMax } from '../mesh/cluster.ts';
import { ClusterConfig } from '../mesh/cluster-config.ts';
import { MeshKey } from '../mesh/key.ts';
import { MeshRefusal } from '../mesh/reason.ts';
import type { StateAccess } from '../runtime/mesh-state.ts';
import type { Clock } from '../runtime/ports.ts';
import { certificateFindings, distrust } from './authorities.ts';
import { type Material, readMaterial } from './credentials.ts';
import type { Finding } from './finding.ts';
import { EtcdState } from './state.ts';

export interface Examined {
  /** The cluster whose state it is. */
  readonly cluster: string;
  readonly access: StateAccess;
  /** Undefined where it is our own state. */
  readonly own: ClusterIdentity | undefined;
  /** Our own cluster's authority, to be compared with theirs; undefined: it is not known here. */
  readonly ownCaFile: string | undefined;
  readonly clustersMax: ClustersMax;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Goes on as far as it makes sense. */
export async function* troubleshoot(examined: Examined): AsyncGenerator<Finding> {
  const { access } = examined;
  let material: Material;
  let own: Material;
  try {
    material = readMaterial(access);
    own = readMaterial({ ...access, caFile: examined.ownCaFile, certFile: undefined, keyFile: undefined });
  } catch (error) {
    yield failed('certificates', error);
    return;
  }
  yield* certificateFindings(material, own.ca, examined.clock.wallMs());
  let reached = false;
  for (const endpoint of access.endpoints) {
    let fine = true;
    for await (const finding of wayTo(endpoint, material, examined)) {
      fine &&= finding.outcome !== 'failed';
      yield finding;
    }
    reached ||= fine;
  }
  if (reached) yield* inside(examined);
}

async function* wayTo(endpoint: string, material: Material, { access, timeoutMs }: Examined): AsyncGenerator<Finding> {
  const url = new URL(endpoint);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port === '' ? 2379 : url.port);
  let addresses: readonly string[];
  try {
    addresses = await resolve(host, access);
  } catch (error) {
    yield failed(`resolve ${host}`, error);
    return;
  }
  const local = addresses.filter(isLocal);
  const doubt = local.length > 0 ? ' (an address of this host: two clusters may share a port)' : '';
  yield {
    step: `resolve ${host}`,
    outcome: local.length > 0 && isIP(host) === 0 ? 'warning' : 'ok',
    detail: `${addresses.join(', ')}${doubt}`,
  };
  const [address = ''] = addresses;
  try {
    await tcp(address, port, timeoutMs);
    yield { step: 'TCP', outcome: 'ok', detail: `${address} port ${port}` };
  } catch (error) {
    yield failed('TCP', error);
    return;
  }
  if (url.protocol === 'http:') return;
  try {
    yield { step: 'TLS', outcome: 'ok', detail: await handshake(address, port, host, material, timeoutMs) };
  } catch (error) {
    yield failed('TLS', error);
  }
}

async function* inside(examined: Examined): AsyncGenerator<Finding> {
  const { cluster, access, clock, timeoutMs } = examined;
  const state = new EtcdState({ access, clock, random: () => 0, limits: { callMs: timeoutMs } });
  try {
    const version = await state.version();
    yield { step: 'etcd', outcome: 'ok', detail: `version ${version}, cluster ${state.status().clusterId}` };
    const value = await state.get(MeshKey.clusterConfig(cluster));
    yield { step: 'authentication', outcome: 'ok', detail: 'we may read the configuration' };
    const step = MeshKey.clusterConfig(cluster);
    if (value === undefined) {
      yield { step, outcome: 'failed', detail: MeshRefusal.format(MeshRefusal.of('no-cluster-config', cluster)) };
      return;
    }
    yield* configuration(step, value, examined);
    const config = ClusterConfig.read(value);
    if ('reason' in config || !config.syncedCanaries) return;
    const canary = MeshKey.canary(cluster, 'nodes', config.cached);
    const written = await state.get(canary);
    yield written === undefined
      ? { step: canary, outcome: 'failed', detail: MeshRefusal.format(MeshRefusal.of('no-canary')) }
      : { step: canary, outcome: 'ok', detail: Buffer.from(written).toString().slice(0, 64) };
  } catch (error) {
    yield failed('etcd', error);
  } finally {
    await state.close();
  }
}

function* configuration(step: string, value: Uint8Array, { own, clustersMax }: Examined): Generator<Finding> {
  const config = ClusterConfig.read(value);
  if ('reason' in config) {
    yield { step, outcome: 'failed', detail: MeshRefusal.format(config) };
    return;
  }
  const refusal = own && ClusterConfig.refusal(config, own, clustersMax);
  const max = config.maxConnectedClusters || 'not said';
  const detail = `ID ${config.id}, maximum of clusters ${max}${config.cached ? ', a mirror' : ''}`;
  yield refusal === undefined
    ? { step, outcome: 'ok', detail }
    : { step, outcome: 'failed', detail: `${detail}: ${MeshRefusal.format(refusal)}` };
}

async function resolve(host: string, { hostAliases }: StateAccess): Promise<readonly string[]> {
  const known = hostAliases.get(host);
  if (known !== undefined) return known;
  return isIP(host) !== 0 ? [host] : (await lookup(host, { all: true })).map(each => each.address);
}

function isLocal(address: string): boolean {
  return Object.values(networkInterfaces()).some(all => all?.some(each => each.address === address));
}

function tcp(host: string, port: number, timeoutMs: number): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    socket.once('connect', () => {
      socket.destroy();
      done();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('error', fail);
  });
}

function handshake(
  address: string,
  port: number,
  name: string,
  { ca, cert, key }: Material,
  timeoutMs: number,
): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connectTls({
      host: address,
      port,
      ca,
      cert,
      key,
      ALPNProtocols: ['h2'],
      ...(isIP(name) === 0 ? { servername: name } : {}),
      // Looked at below, where it can be said whose it is.
      rejectUnauthorized: false,
    });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('secureConnect', () => {
      const { subject } = socket.getPeerCertificate();
      const version = socket.getProtocol() ?? 'TLS';
      const fault = serverFault(socket, name, ca);
      socket.destroy();
      if (fault === undefined) done(`${version}, server ${subject?.CN ?? 'without a name'}`);
      else fail(fault);
    });
    socket.once('error', fail);
  });
}

/** What is wrong with the certificate that the server showed; undefined: it is the one it should be. */
function serverFault(socket: TLSSocket, name: string, ca: Uint8Array | undefined): Error | undefined {
  const { authorizationError } = socket;
  if (socket.authorized) return checkServerIdentity(name, socket.getPeerCertificate());
  const why = authorizationError instanceof Error ? authorizationError.message : String(authorizationError);
  const chain: X509Certificate[] = [];
  for (let at = socket.getPeerX509Certificate(); at !== undefined && chain.length < 8; at = at.issuerCertificate)
    chain.push(at);
  return new Error(`${why}: ${distrust(chain, ca)}`);
}

function failed(step: string, error: unknown): Finding {
  return { step, outcome: 'failed', detail: error instanceof Error ? error.message : String(error) };
}

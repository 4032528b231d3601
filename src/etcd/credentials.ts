/**
 * Certificates from files, read anew whenever they may have changed, and what a connection is made with. Reference
 * §2.1.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { type StateAccess, StateFailure } from '../runtime/mesh-state.ts';

export interface Material {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** Throws StateFailure when a file cannot be read. */
export function readMaterial({ caFile, certFile, keyFile }: StateAccess): Material {
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile) };
}

function read(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StateFailure('certificate', error instanceof Error ? error.message : String(error));
  }
}

export function sameMaterial(a: Material, b: Material): boolean {
  const same = (x: Buffer | undefined, y: Buffer | undefined) =>
    x === y || (x !== undefined && y !== undefined && x.equals(y));
  return same(a.ca, b.ca) && same(a.cert, b.cert) && same(a.key, b.key);
}

/** Wall time; undefined without a certificate or for one that cannot be read. */
export function certificateEndsMs({ cert }: Material): number | undefined {
  if (cert === undefined) return undefined;
  try {
    return new X509Certificate(cert).validToDate.getTime();
  } catch {
    return undefined;
  }
}

export interface Dialed {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** What gRPC is given for one endpoint. An alias leads to its addresses, and the certificate is still the name's. */
export function dial(endpoint: string, access: StateAccess, material: Material): Dialed {
  const url = new URL(endpoint);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? '2379' : url.port;
  const known = access.hostAliases.get(host) ?? (isIP(host) === 0 ? undefined : [host]);
  const target =
    known === undefined
      ? `dns:${host}:${port}`
      : known[0]?.includes(':')
        ? `ipv6:${known.map(each => `[${each}]:${port}`).join(',')}`
        : `ipv4:${known.map(each => `${each}:${port}`).join(',')}`;
  if (url.protocol === 'http:') return { target, credentials: credentials.createInsecure(), options: {} };
  const { ca, cert, key } = material;
  try {
    const made = credentials.createSsl(ca ?? null, key ?? null, cert ?? null, {
      // The name asked for is not what gRPC dials when that is an address: an address must not be sent as a name.
      checkServerIdentity: (_, peer) => checkServerIdentity(host, peer),
    });
    const name = isIP(host) === 0 ? host : 'etcd';
    return {
      target,
      credentials: made,
      options: { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name },
    };
  } catch (error) {
    throw new StateFailure('certificate', error instanceof Error ? error.message : String(error));
  }
}

/**
 * Which authority stands behind which certificate: theirs, ours, and whether they are one and the same. Two clusters
 * may each have an authority of their own, as long as each side trusts the other's. Reference §2.1.
 */
import { X509Certificate } from 'node:crypto';
import type { Material } from './credentials.ts';
import type { Finding } from './finding.ts';

const dayMs = 86_400_000;

/** All certificates of a PEM file, in its order. Throws when there is none, or one that cannot be read. */
function certificatesOf(pem: Uint8Array): readonly X509Certificate[] {
  const blocks = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (blocks === null) throw new Error('there is no certificate in it');
  return blocks.map(each => new X509Certificate(each));
}

/** `CN=east (SHA-256 5A:0B:…)`: equal names are not equal authorities. */
function shownAuthority({ subject, fingerprint256 }: X509Certificate): string {
  return `${oneLine(subject)} (SHA-256 ${fingerprint256.slice(0, 23)}…)`;
}

function oneLine(text: string): string {
  return text.replace(/\n/g, ', ');
}

/** The authority that a chain leads to, by way of those in between that it brings along. */
function authorityBehind(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): X509Certificate | undefined {
  let [at] = chain;
  for (let step = 0; at !== undefined && step < chain.length; step++) {
    const reached: X509Certificate = at;
    const found = authorities.find(each => isSame(each, reached) || hasIssued(each, reached));
    if (found !== undefined) return found;
    at = chain.find(each => !isSame(each, reached) && hasIssued(each, reached));
  }
  return undefined;
}

/** The files themselves: theirs, our client certificate for them, and beside them our own cluster's authority. */
export function* certificateFindings(
  { ca, cert }: Material,
  ownCa: Uint8Array | undefined,
  wallMs: number,
): Generator<Finding> {
  const theirs = yield* read('CA certificate', ca, wallMs);
  const ours = yield* read('our CA certificate', ownCa, wallMs);
  const client = yield* read('client certificate', cert, wallMs);
  if (theirs !== undefined && ours !== undefined) yield compared(theirs, ours);
  if (client === undefined || theirs === undefined) return;
  const step = 'issuer of the client certificate';
  if (authorityBehind(client, theirs) !== undefined) yield { step, outcome: 'ok', detail: 'the other cluster’s CA' };
  else {
    const own = ours && authorityBehind(client, ours);
    const who = own === undefined ? `${oneLine(client[0]?.issuer ?? '')}, no CA given here` : 'our own CA';
    const detail = `${who}: the other cluster’s etcd accepts it only with that CA in its --trusted-ca-file`;
    yield { step, outcome: 'warning', detail };
  }
}

/** Why a server's certificate is not trusted, naming both authorities. */
export function distrust(chain: readonly X509Certificate[], ca: Uint8Array | undefined): string {
  const [server] = chain;
  const issuer = chain.find(each => server !== undefined && !isSame(each, server) && hasIssued(each, server));
  const by = issuer === undefined ? oneLine(server?.issuer ?? 'nobody') : shownAuthority(issuer);
  const given = ca === undefined ? 'the CAs of this host' : certificatesOf(ca).map(shownAuthority).join(', ');
  return `the server’s certificate was issued by ${by}, the CA given is ${given}`;
}

function* read(
  step: string,
  pem: Uint8Array | undefined,
  wallMs: number,
): Generator<Finding, readonly X509Certificate[] | undefined> {
  if (pem === undefined) return undefined;
  try {
    const all = certificatesOf(pem);
    for (const each of step === 'client certificate' ? all.slice(0, 1) : all) yield described(step, each, wallMs);
    return all;
  } catch (error) {
    yield { step, outcome: 'failed', detail: error instanceof Error ? error.message : String(error) };
    return undefined;
  }
}

function described(step: string, certificate: X509Certificate, wallMs: number): Finding {
  const { issuer, subject, validToDate, ca } = certificate;
  const isClient = step === 'client certificate';
  if (!isClient && !ca) return { step, outcome: 'failed', detail: `${oneLine(subject)} is no authority’s certificate` };
  const who = isClient ? `${oneLine(subject)}, issued by ${oneLine(issuer)}` : shownAuthority(certificate);
  const leftMs = validToDate.getTime() - wallMs;
  const outcome = leftMs < 0 ? 'failed' : leftMs < 30 * dayMs ? 'warning' : 'ok';
  return { step, outcome, detail: `${who}, valid until ${validToDate.toISOString()}` };
}

function compared(theirs: readonly X509Certificate[], ours: readonly X509Certificate[]): Finding {
  const step = 'CAs of both clusters';
  const shared = theirs.find(each => ours.some(own => isSame(each, own)));
  if (shared !== undefined) return { step, outcome: 'ok', detail: `both have ${shownAuthority(shared)}` };
  const names = `theirs is ${theirs.map(shownAuthority).join(', ')}, ours is ${ours.map(shownAuthority).join(', ')}`;
  const both = 'each etcd needs both in its --trusted-ca-file, or a client certificate from its own CA for the others';
  return { step, outcome: 'warning', detail: `they differ: ${names}; ${both}` };
}

function hasIssued(by: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(by) && certificate.verify(by.publicKey);
}

function isSame(a: X509Certificate, b: X509Certificate): boolean {
  return a.fingerprint256 === b.fingerprint256;
}

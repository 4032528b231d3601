/**
 * The client of the fail-over rig: asks for every address every few milliseconds, ARP or neighbour solicitation, from a
 * packet socket, and keeps which stations answered each question. A question carries its number in the sender's IP
 * address, which the answer goes back to, so that a late answer counts for the question it belongs to.
 *
 * Runs as a process of its own in the client's namespace: `node failover-l2-probe.ts LINK MAC EVERY_MS ADDRESS…`; a
 * line `FROM_MS TO_MS` on standard input gets a line of JSON (`ProbeReport`) on standard output, `end` ends it. Times
 * are CLOCK_MONOTONIC in milliseconds.
 */
import { createInterface } from 'node:readline';
import { ARP_REPLY, ARP_REQUEST, arpFrame, readArp } from '../src/l2/arp.ts';
import { NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, ndpFrame, readNdp, solicitedNode } from '../src/l2/ndp.ts';
import { loadLibc } from '../src/linux/libc.ts';
import { LINK_ADDRESS_SIZE, openPacketSocket } from '../src/linux/packet-socket.ts';
import { IpAddress } from '../src/net/ip.ts';
import { Mac } from '../src/net/mac.ts';

/** What was seen of one address. */
export interface ProbedAddress {
  readonly address: string;
  /** From `atMs` on the questions were answered by these stations; the last holds until the end. */
  readonly changes: readonly { readonly atMs: number; readonly macs: readonly string[] }[];
  /** Questions that one station answered more than once. */
  readonly repeated: number;
  /**
   * Times that a station answered again within 0.4 s of its last answer although another one had begun to meanwhile:
   * answers come in the order in which they were given, so that these are instants with two answerers, however late
   * anybody looks.
   */
  readonly dual: number;
  /** Questions that two stations answered, one of them late: after it took the address, for one asked before. */
  readonly twice: number;
  /** Questions that nobody answered, however late. */
  readonly unanswered: number;
  /** The longest time without an answer, from one answered question (or the beginning) to the next (or the end). */
  readonly gapMs: number;
}

export interface ProbeReport {
  readonly questions: number;
  /** The longest time between two questions: the resolution that was really had. */
  readonly stepMaxMs: number;
  readonly addresses: readonly ProbedAddress[];
}

/** Numbers come round again after this many questions. */
const NUMBERS = 2 ** 14;
const sender4 = 0x0a4d_8000n; // 10.77.128.0/18
const sender6 = (0xfe80n << 112n) | 0x7777_0000n;
const QUESTIONS_MAX = 2 ** 18;
const STATIONS_MAX = 8;
const nobody: Mac = { value: 0 };

const [linkName = '', macText = '', everyText = '5', ...addressTexts] = process.argv.slice(2);
const own = Mac.parse(macText);
const addresses = addressTexts.map(text => IpAddress.parse(text)).filter(each => each !== undefined);
if (own === undefined || addresses.length !== addressTexts.length) throw new Error('LINK MAC EVERY_MS ADDRESS…');
const mac = own;
const everyMs = Number(everyText);

const libc = await loadLibc();
const ifindex = libc.ifNameToIndex(linkName);
const sockets = (['arp', 'neighbor'] as const).map(kind => openPacketSocket(libc, ifindex, kind));
const [arpSocket = -1, ndpSocket = -1] = sockets;
const poll = libc.epoll();
for (const fd of sockets) libc.epollAdd(poll, fd);

const sentMs = new Float64Array(QUESTIONS_MAX);
/** Stations that answered, as bits; and how many answers came. By address, then question. */
const answered = addresses.map(() => new Uint8Array(QUESTIONS_MAX));
const counts = addresses.map(() => new Uint8Array(QUESTIONS_MAX));
const stations: string[] = [];
const indexOf = new Map(addresses.map((address, i) => [IpAddress.format(address), i]));
/** By address: who answered, in the order in which answers came. */
interface Run {
  readonly station: number;
  readonly firstMs: number;
  lastMs: number;
}
const runs: Run[][] = addresses.map(() => []);
const backWithinMs = 400;
let questions = 0;

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function ask(): void {
  const number = BigInt(questions % NUMBERS);
  sentMs[questions % QUESTIONS_MAX] = nowMs();
  for (const [i, address] of addresses.entries()) {
    answered[i]?.fill(0, questions % QUESTIONS_MAX, (questions % QUESTIONS_MAX) + 1);
    counts[i]?.fill(0, questions % QUESTIONS_MAX, (questions % QUESTIONS_MAX) + 1);
    const frame = address.family === 'ipv4' ? arpQuestion(address, number) : ndpQuestion(address, number);
    libc.send(address.family === 'ipv4' ? arpSocket : ndpSocket, frame, frame.length);
  }
  questions++;
}

function arpQuestion(address: IpAddress, number: bigint): Uint8Array {
  const senderIp: IpAddress = { family: 'ipv4', value: sender4 | number };
  const packet = { operation: ARP_REQUEST, senderMac: mac, senderIp, targetMac: nobody, targetIp: address };
  return arpFrame(Mac.broadcast, mac, packet);
}

function ndpQuestion(address: IpAddress, number: bigint): Uint8Array {
  const destination = solicitedNode(address);
  return ndpFrame(Mac.ofMulticast(destination), mac, {
    type: NEIGHBOUR_SOLICITATION,
    source: { family: 'ipv6', value: sender6 | number },
    destination,
    flags: 0,
    target: address,
    linkOption: mac,
  });
}

const buffer = new Uint8Array(2048);
const from = new Uint8Array(LINK_ADDRESS_SIZE);

function hear(): void {
  for (const fd of sockets)
    for (let octets = libc.recvfrom(fd, buffer, from); octets !== undefined; octets = libc.recvfrom(fd, buffer, from))
      if (octets >= 42) take(fd, buffer.subarray(0, octets));
}

function take(fd: number, frame: Uint8Array): void {
  if (fd === arpSocket) {
    const { operation, senderMac, senderIp, targetIp } = readArp(frame);
    // Gratuitous replies go to the address itself.
    if (operation === ARP_REPLY && !IpAddress.equals(senderIp, targetIp)) note(senderIp, targetIp, senderMac);
  } else if (frame.length >= 78) {
    const { type, destination, target, linkOption } = readNdp(frame);
    if (type === NEIGHBOUR_ADVERTISEMENT && linkOption !== undefined) note(target, destination, linkOption);
  }
}

function note(address: IpAddress, asker: IpAddress, station: Mac): void {
  const i = indexOf.get(IpAddress.format(address));
  const base = asker.family === 'ipv4' ? sender4 : sender6;
  if (i === undefined || (asker.value & ~BigInt(NUMBERS - 1)) !== base) return;
  const behind = (((questions - 1 - Number(asker.value - base)) % NUMBERS) + NUMBERS) % NUMBERS;
  const question = (questions - 1 - behind) % QUESTIONS_MAX;
  const name = Mac.format(station);
  let bit = stations.indexOf(name);
  if (bit < 0 && stations.length < STATIONS_MAX) bit = stations.push(name) - 1;
  const [bits, many] = [answered[i], counts[i]];
  if (bit < 0 || bits === undefined || many === undefined) return;
  bits[question] = (bits[question] ?? 0) | (1 << bit);
  const atMs = nowMs();
  const last = runs[i]?.at(-1);
  if (last?.station === bit) last.lastMs = atMs;
  else runs[i]?.push({ station: bit, firstMs: atMs, lastMs: atMs });
  many[question] = Math.min((many[question] ?? 0) + 1, 255);
}

function report(fromMs: number, toMs: number): ProbeReport {
  const first = Math.max(0, questions - QUESTIONS_MAX);
  const asked: number[] = [];
  for (let n = first; n < questions; n++) {
    const at = sentMs[n % QUESTIONS_MAX] ?? 0;
    if (at >= fromMs && at <= toMs) asked.push(n % QUESTIONS_MAX);
  }
  const times = asked.map(n => sentMs[n] ?? 0);
  return {
    questions: asked.length,
    stepMaxMs: times.reduce((most, at, i) => Math.max(most, at - (times[i - 1] ?? at)), 0),
    addresses: addresses.map((address, i) => ({
      ...seenOf(IpAddress.format(address), asked, answered[i], counts[i]),
      dual: dualOf(runs[i] ?? [], fromMs, toMs),
    })),
  };
}

function dualOf(all: readonly Run[], fromMs: number, toMs: number): number {
  return all.filter(({ station, firstMs }, i) => {
    const before = all.slice(0, i).findLast(run => run.station === station);
    const inside = firstMs <= toMs && before !== undefined && before.lastMs >= fromMs;
    return inside && firstMs - before.lastMs < backWithinMs;
  }).length;
}

function seenOf(
  address: string,
  asked: readonly number[],
  bits: Uint8Array | undefined,
  many: Uint8Array | undefined,
): Omit<ProbedAddress, 'dual'> {
  const changes: { atMs: number; macs: readonly string[] }[] = [];
  let last = -1;
  let repeated = 0;
  let twice = 0;
  let unanswered = 0;
  let gapMs = 0;
  let answeredMs = sentMs[asked[0] ?? 0] ?? 0;
  for (const n of asked) {
    const now = bits?.[n] ?? 0;
    const macs = stations.filter((_, bit) => (now & (1 << bit)) !== 0);
    if ((many?.[n] ?? 0) > macs.length) repeated++;
    if (macs.length > 1) twice++;
    if (macs.length === 0) unanswered++;
    gapMs = Math.max(gapMs, (sentMs[n] ?? 0) - answeredMs);
    if (macs.length > 0) answeredMs = sentMs[n] ?? 0;
    if (now === last) continue;
    last = now;
    changes.push({ atMs: sentMs[n] ?? 0, macs });
  }
  return { address, changes, repeated, twice, unanswered, gapMs };
}

let ended = false;
createInterface({ input: process.stdin })
  .on('line', line => {
    const [fromMs = '', toMs = ''] = line.split(' ');
    if (line === 'end') ended = true;
    else process.stdout.write(`${JSON.stringify(report(Number(fromMs), Number(toMs)))}\n`);
  })
  .on('close', () => {
    ended = true;
  });

const ready = new Int32Array(4);
let dueMs = nowMs();
function turn(): void {
  const waitMs = dueMs - nowMs();
  if (waitMs > 0) libc.epollWait(poll, ready, Math.ceil(waitMs));
  hear();
  if (nowMs() >= dueMs) {
    ask();
    // A stall is a stall: questions are not made up for.
    dueMs = Math.max(dueMs + everyMs, nowMs());
  }
  if (ended) process.exit(0);
  setImmediate(turn);
}
turn();

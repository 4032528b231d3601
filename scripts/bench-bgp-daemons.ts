/**
 * The speakers that are measured: how each is told to accept everything from its peers and pass everything on, without
 * a kernel table, and how it is started in the foreground. Anything else is as the daemon has it by default.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PeerSpec } from './bench-bgp-peers.ts';

export interface SubjectSpec {
  readonly address: string;
  readonly asn: number;
  readonly holdSeconds: number;
  readonly keepaliveSeconds: number;
  readonly peers: readonly PeerSpec[];
  /** What one peer says is told to the last one alone. */
  readonly silent: boolean;
  /** Originated by the daemon itself. */
  readonly networks: readonly string[];
}

export interface Subject {
  readonly version: readonly string[];
  /** False: it has no way to originate many prefixes from a file. */
  readonly originates: boolean;
  /** It heeds `silent`. */
  readonly keepsSilent?: boolean;
  /** What makes it originate its networks once it listens, where its configuration is too slow a way. */
  readonly announce?: (folder: string) => readonly string[];
  /** Writes its configuration into `folder`; the result is what to run. */
  configure(spec: SubjectSpec, folder: string): string[];
}

/** The checkout's, or another that is to be measured: the package's, say. */
const heraldPath = process.env['HERALD'] ?? fileURLToPath(new URL('../bin/herald', import.meta.url));

export const subjects = {
  herald: {
    version: [heraldPath, '--version'],
    originates: true,
    keepsSilent: true,
    configure(spec, folder) {
      const { holdSeconds, keepaliveSeconds } = spec;
      const peers = spec.peers.map(({ address, asn }, i) => ({
        address,
        asn,
        passive: true,
        import: 'all',
        ...(isTold(spec, i) ? { export: 'all' } : {}),
        timers: { holdSeconds, keepaliveSeconds },
      }));
      const listen = [{ address: spec.address, port: 179 }];
      const file = { asn: spec.asn, routerId: spec.address, listen, peers, originate: [{ file: 'networks.txt' }] };
      writeFileSync(`${folder}/networks.txt`, lines(spec.networks));
      writeFileSync(`${folder}/speaker.yaml`, JSON.stringify(file));
      return [heraldPath, 'speaker', '--config', `${folder}/speaker.yaml`, '--socket', `${folder}/socket`];
    },
  },
  bird: {
    version: ['bird', '--version'],
    originates: true,
    keepsSilent: true,
    configure(spec, folder) {
      const peers = spec.peers.map(
        (
          { address, asn },
          i,
        ) => `protocol bgp p${i} { local ${spec.address} as ${spec.asn}; neighbor ${address} as ${asn};
 passive yes; hold time ${spec.holdSeconds}; keepalive time ${spec.keepaliveSeconds};
 ipv4 { import all; export ${isTold(spec, i) ? 'all' : 'none'}; }; }`,
      );
      const own = spec.networks.map(each => `route ${each} blackhole;`);
      writeFileSync(
        `${folder}/bird.conf`,
        lines([`router id ${spec.address};`, 'protocol device { }', 'protocol static { ipv4;', ...own, '}', ...peers]),
      );
      return ['bird', '-f', '-c', `${folder}/bird.conf`, '-s', `${folder}/socket`, '-P', `${folder}/pid`];
    },
  },
  frr: {
    version: ['/usr/lib/frr/bgpd', '--version'],
    originates: true,
    configure(spec, folder) {
      const { keepaliveSeconds, holdSeconds } = spec;
      writeFileSync(
        `${folder}/bgpd.conf`,
        lines([
          `router bgp ${spec.asn}`,
          ` bgp router-id ${spec.address}`,
          ' no bgp ebgp-requires-policy',
          ' no bgp network import-check',
          ` timers bgp ${keepaliveSeconds} ${holdSeconds}`,
          ...spec.peers.flatMap(({ address, asn }) => [
            ` neighbor ${address} remote-as ${asn}`,
            ` neighbor ${address} passive`,
          ]),
          ' address-family ipv4 unicast',
          ...spec.networks.map(each => `  network ${each}`),
        ]),
      );
      const files = ['-f', `${folder}/bgpd.conf`, '-i', `${folder}/pid`, '--vty_socket', folder];
      // -Z: without zebra (which it would complain of for every prefix); -S: as the user that started it.
      const quiet = ['--log-level', 'emergencies'];
      return ['/usr/lib/frr/bgpd', '-Z', '-S', '-p', '179', '-l', spec.address, '-P', '0', ...quiet, ...files];
    },
  },
  gobgp: {
    version: ['gobgpd', '--version'],
    originates: false,
    configure(spec, folder) {
      const neighbors = spec.peers.map(
        ({ address, asn }) => `[[neighbors]]
[neighbors.config]
neighbor-address = "${address}"
peer-as = ${asn}
[neighbors.timers.config]
hold-time = ${spec.holdSeconds}
keepalive-interval = ${spec.keepaliveSeconds}
[neighbors.transport.config]
passive-mode = true`,
      );
      const global = `[global.config]\nas = ${spec.asn}\nrouter-id = "${spec.address}"`;
      writeFileSync(`${folder}/gobgpd.toml`, lines([global, `local-address-list = ["${spec.address}"]`, ...neighbors]));
      return ['gobgpd', '-f', `${folder}/gobgpd.toml`, '--pprof-disable', '-l', 'warn', '-p'];
    },
  },
  openbgpd: {
    version: ['/usr/sbin/bgpd', '-V'],
    originates: true,
    announce: folder => ['sh', '-c', `bgpctl -s ${folder}/socket network bulk add < ${folder}/networks`],
    configure(spec, folder) {
      // Its chroot; the Debian package makes it when its service starts.
      mkdirSync('/run/openbgpd', { recursive: true });
      const peers = spec.peers.map(({ address, asn }) => `neighbor ${address} {\nremote-as ${asn}\npassive\n}`);
      writeFileSync(`${folder}/networks`, lines(spec.networks));
      writeFileSync(
        `${folder}/bgpd.conf`,
        lines([
          `AS ${spec.asn}`,
          `router-id ${spec.address}`,
          'fib-update no',
          `listen on ${spec.address}`,
          `holdtime ${spec.holdSeconds}`,
          `socket "${folder}/socket"`,
          ...peers,
          'allow from any',
          'allow to any',
        ]),
        { mode: 0o600 },
      );
      return ['/usr/sbin/bgpd', '-d', '-f', `${folder}/bgpd.conf`];
    },
  },
} as const satisfies Record<string, Subject>;

export type SubjectName = keyof typeof subjects;

export const subjectNames = Object.keys(subjects) as readonly SubjectName[];

/** What it calls itself; undefined when it is not installed. */
export function versionOf(name: SubjectName): string | undefined {
  const [command = '', ...words] = subjects[name].version;
  if (command.startsWith('/') && !existsSync(command)) return undefined;
  const { error, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' });
  return error === undefined ? /[0-9]+\.[0-9]+[0-9.]*/.exec(stdout + stderr)?.[0] : undefined;
}

function isTold({ silent, peers }: SubjectSpec, i: number): boolean {
  return !silent || i === peers.length - 1;
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}

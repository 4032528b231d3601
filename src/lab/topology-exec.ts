/** A node's own commands: `cmd` where it is more than a shell to keep a container alive, and the `exec` lines. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Place } from './place.ts';
import { shellWords } from './place-words.ts';
import type { LabNode } from './topology.ts';

export interface ExecSetting {
  /** The topology file, for messages. */
  readonly file: string;
  /** What commands that go on say is written below it. */
  readonly folder: string;
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** Which Debian package brings a program that labs use. */
const packages: Readonly<Record<string, string>> = {
  arping: 'arping',
  bash: 'bash',
  bird: 'bird2',
  brctl: 'bridge-utils',
  conntrack: 'conntrack',
  curl: 'curl',
  ethtool: 'ethtool',
  gobgpd: 'gobgpd',
  ifconfig: 'net-tools',
  ip6tables: 'iptables',
  iperf3: 'iperf3',
  iptables: 'iptables',
  ndisc6: 'ndisc6',
  nft: 'nftables',
  ping: 'iputils-ping',
  route: 'net-tools',
  sysctl: 'procps',
  tcpdump: 'tcpdump',
  vtysh: 'frr',
};

/** In order; one that fails is named, with its line and what it said, and the next one is run. */
export async function runExec(node: LabNode, place: Place, setting: ExecSetting): Promise<readonly string[]> {
  const problems: string[] = [];
  const name = (line: number, text: string) => problems.push(`${setting.file}:${line}: ${node.name}: ${text}`);
  if (node.role === 'plain' && isService(node.cmd)) {
    const log = join(setting.folder, `${node.name}.log`);
    try {
      await place.spawn(shellWords(node.cmd), { log });
    } catch (error) {
      name(node.line, `cmd ${shortened(node.cmd)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const { text, line } of node.exec) {
    setting.signal.throwIfAborted();
    const run = withoutDummy(text);
    if (run !== text) setting.say(`${node.name}: this kernel has no dummy links; a bridge without ports stands in`);
    const [program = ''] = shellWords(run);
    const { status, stdout, stderr } = await place.exec(run);
    if (status === 0) continue;
    const said = (stderr.trim() || stdout.trim()).replace(/\s+/g, ' ').slice(-300);
    const why = status === 127 && said.includes('failed to execute') ? notHere(program) : `status ${status}: ${said}`;
    name(line, `${shortened(text)}: ${why}`);
  }
  return problems;
}

function notHere(program: string): string {
  const home = packages[program.replace(/.*\//, '')];
  return `it is not on this host${home === undefined ? '' : ` (package ${home})`}`;
}

/** Not the shell, or the wait for nothing, that keeps a container from ending. */
function isService(cmd: string): boolean {
  const [program = '', ...rest] = shellWords(cmd);
  const name = program.replace(/.*\//, '');
  if (name === '' || name === 'sleep' || name === 'init' || name === 'tail') return false;
  return !(/^(ba|da|a|z)?sh$/.test(name) && rest.every(word => word.startsWith('-') && word !== '-c'));
}

function withoutDummy(text: string): string {
  if (!/\btype\s+dummy\b/.test(text) || hasDummy()) return text;
  return text.replace(/\btype\s+dummy\b/g, 'type bridge');
}

let dummy: boolean | undefined;

/** Whether the kernel makes such links is known by trying it, where nobody sees it. */
function hasDummy(): boolean {
  const words = ['--net', 'ip', 'link', 'add', 'name', 'd0', 'type', 'dummy'];
  dummy ??= spawnSync('unshare', words, { stdio: 'ignore' }).status === 0;
  return dummy;
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

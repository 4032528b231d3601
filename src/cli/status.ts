/** `herald status`: what a running process holds and what it is doing. */

import type { Finding } from '../directory/manifests.ts';
import type { ControlPlaneStatus } from '../runtime/control-plane.ts';
import { ask, socketOption } from './client.ts';
import { defineCommand, outputOption } from './command.ts';
import { problemLine } from './report.ts';
import { json, table } from './table.ts';

interface Status extends ControlPlaneStatus {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly problems: readonly Finding[];
}

export const status = defineCommand({
  name: 'status',
  about: `Asks a running Herald how it is: its roles, whether it is ready, how many objects of each kind it holds, which
objects have faults, and which targets (parts of the world it keeps as they ought to be) lag behind and why.

  herald status --socket /tmp/herald/herald.sock`,
  options: { socket: socketOption, output: outputOption },
  async run({ options, streams }) {
    const answer = (await ask(options.socket, '/status')) as Status;
    if (options.output === 'json') {
      streams.out(json(answer));
      return 0;
    }
    const { node, roles, ready, leading, uptimeSeconds, version, targets, objects, faulty, problems } = answer;
    const state = ready ? 'ready' : 'not ready';
    const elsewhere = roles.includes('operator') && !leading ? ', another process is the operator' : '';
    const head = `herald ${version} on ${node}: ${roles.join(' and ')}, ${state}${elsewhere}, up ${uptimeSeconds} s`;
    streams.out(`${head}\n\n`);
    streams.out(
      table(
        ['TARGET', 'STATE', 'FAILURES', 'ERROR'],
        targets.map(each => [each.target, each.settled ? 'settled' : 'working', each.failures, each.error]),
      ),
    );
    streams.out(`\n${table(['KIND', 'OBJECTS'], Object.entries(objects))}`);
    if (faulty.length > 0)
      streams.out(
        `\n${table(
          ['FAULTY OBJECT', 'ERRORS', 'WARNINGS'],
          faulty.map(each => [each.object, each.errors, each.warnings]),
        )}`,
      );
    if (problems.length > 0) streams.out(`\n${problems.map(problemLine).join('')}`);
    return 0;
  },
});

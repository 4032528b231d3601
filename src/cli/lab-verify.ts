/** `herald lab verify`: whether a lab that stands does what it ought to do. */
import type { Check } from '../lab/verify.ts';
import { type Command, CommandError, defineCommand, durationOption, orCommandError, outputOption } from './command.ts';
import { json, table } from './table.ts';

export const labVerify: Command = defineCommand({
  name: 'lab verify',
  operands: '[NAME]',
  count: { min: 0, max: 1 },
  about: `Checks a lab that stands: every BGP session established, as both of its ends see it; every route that Herald
says it sent in the table of the router it was sent to; every LoadBalancer address answering, asked with curl from
every node that a way to it leads from. The status is 0 when all of it is so. What is still on its way is waited for.

  herald lab verify
  herald lab verify --wait 2m -o json`,
  options: {
    wait: { type: 'string', default: '30s', value: 'DURATION', about: 'how long what is not yet so may take' },
    output: outputOption,
  },
  async run({ args: [named], options, streams }) {
    const { labNamed } = await import('../lab/lab-entry.ts');
    const { readLab } = await import('../lab/lab-state.ts');
    const { verifyLab } = await import('../lab/verify.ts');
    const waitMs = durationOption('wait', options.wait);
    const name = await orCommandError((async () => labNamed(named))());
    const state = readLab(name);
    if (state === undefined) throw new CommandError(`there is no lab ${name}`);
    const report = await orCommandError(verifyLab(state, waitMs));
    if (options.output === 'json') streams.out(json(report));
    else streams.out(reportText(report.checks));
    return report.ok ? 0 : 1;
  },
});

/** What failed comes last, where it is seen. */
function reportText(checks: readonly Check[]): string {
  if (checks.length === 0) return 'there is nothing to check: no session, no route, no address\n';
  const failed = checks.filter(({ ok }) => !ok);
  const rows = [...checks.filter(({ ok }) => ok), ...failed].map(({ what, from, to, ok, seen }) => [
    ok ? 'ok' : 'FAILED',
    what,
    from,
    to,
    seen,
  ]);
  const sum =
    failed.length === 0 ? `all ${checks.length} checks are well` : `${failed.length} of ${checks.length} failed`;
  return `${table(['', 'CHECK', 'FROM', 'TO', 'SEEN'], rows)}\n${sum}\n`;
}

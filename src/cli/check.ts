/** `herald check`: every fault in manifests, with file and line, before anything is applied. */
import { type CheckResult, checkManifests, type Finding } from '../directory/manifests.ts';
import { type Command, defineCommand, outputOption } from './command.ts';
import { json } from './table.ts';

export const check: Command = defineCommand({
  name: 'check',
  operands: 'FILE|DIR…',
  count: { min: 1, max: Number.POSITIVE_INFINITY },
  about: `Reads manifests and prints everything that is wrong with them: where, what, and what would be right.
Folders are read with all that is below them (.yaml, .yml, .json). Kinds that Herald does not read are passed over.
The status is 1 when there is an error; warnings alone leave it at 0.

  herald check examples/
  herald check -o json pool.yaml bgp/`,
  options: { output: outputOption },
  async run({ args, options, streams }) {
    const result = checkManifests(args);
    const errors = result.findings.filter(each => each.severity === 'error').length;
    const warnings = result.findings.length - errors;
    if (options.output === 'json') streams.out(json({ errors, warnings, ...result }));
    else streams.out([...result.findings.map(line), summary(result, errors, warnings), ''].join('\n'));
    return errors > 0 ? 1 : 0;
  },
});

/** As compilers write it, so that editors find the place: `pool.yaml:7: error: …`. */
function line({ file, line, severity, object, path, message, fix }: Finding): string {
  const place = line === undefined ? file : `${file}:${line}`;
  const about = [object, path].filter(Boolean).join(' ');
  return `${place}: ${severity}: ${about === '' ? '' : `${about}: `}${message}; ${fix}`;
}

function summary({ files, objects, passedOver }: CheckResult, errors: number, warnings: number): string {
  const kinds = Object.entries(passedOver).sort(([a], [b]) => (a < b ? -1 : 1));
  const others = kinds.length === 0 ? '' : `; passed over: ${kinds.map(([kind, n]) => `${n} ${kind}`).join(', ')}`;
  const read = `${count(files, 'file')}, ${count(objects, 'object')}`;
  return `${read}: ${count(errors, 'error')}, ${count(warnings, 'warning')}${others}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

/**
 * `npm start`: the lab of examples/lab, step by step, until Ctrl-C; `--once` ends after the checks, with 0 or 1; with
 * `--kube` its objects are in a real kube-apiserver. Where there can be no lab it says what is missing, and runs the
 * control plane on the examples from files alone.
 */
import { startFiles } from './start-files.ts';
import { kubeMissing, labMissing, startLab } from './start-lab.ts';

const words = process.argv.slice(2);
const unknown = words.find(word => word !== '--once' && word !== '--kube');
if (unknown !== undefined) {
  console.error(`npm start: '${unknown}' is not known; npm start -- [--once] [--kube]`);
  process.exit(2);
}
const options = { once: words.includes('--once'), kube: words.includes('--kube') };
const missing = [...labMissing(), ...(options.kube ? kubeMissing() : [])];
if (missing.length === 0) process.exitCode = await startLab(options);
else {
  console.log(`The lab needs ${missing.join(', ')}.`);
  console.log('Without it, the control plane runs on the examples, and no network is touched.');
  process.exitCode = startFiles();
}

/** docs/lab.svg: the topology of examples/lab, as `herald lab draw` prints it. */
import { fileURLToPath } from 'node:url';
import { drawing } from '../src/lab/topology-drawing.ts';
import { readLabFiles } from '../src/lab/topology-read.ts';

export function labDrawing(): string {
  const path = fileURLToPath(new URL('../examples/lab/topology.clab.yml', import.meta.url));
  const { value, faults } = readLabFiles(path, undefined);
  if (value === undefined) throw new Error(faults.join('\n'));
  return drawing(value.topology);
}

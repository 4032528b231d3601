/**
 * A topology as a drawing (SVG 1.1): nodes in rows by how far they are from the top, links between them with the names
 * of their ends. Routers that link most are the top; those that are as far stand side by side.
 */
import { basename } from 'node:path';
import { hostNode, managementNode } from './clab-links.ts';
import type { LabLinkEnd, LabNode, Topology } from './topology.ts';

/** In user units, which browsers take for pixels. */
const size = { box: { width: 148, height: 44 }, gap: { x: 112, y: 96 }, margin: 32, title: 40 } as const;

interface Box {
  readonly name: string;
  readonly detail: string;
  readonly fill: string;
  /** Of its middle. */
  readonly x: number;
  readonly y: number;
}

const fills = { frr: '#dbeafe', herald: '#dcfce7', plain: '#f3f4f6', bridge: '#fef3c7', outside: '#ffffff' } as const;

export function drawing(topology: Topology): string {
  const rows = rowsOf(topology);
  const { box, gap, margin, title } = size;
  const widest = Math.max(...rows.map(row => row.length));
  const width = 2 * margin + widest * box.width + (widest - 1) * gap.x;
  const height = title + 2 * margin + rows.length * box.height + (rows.length - 1) * gap.y;
  const nodes = new Map(topology.nodes.map(node => [node.name, node]));
  const boxes = new Map<string, Box>();
  for (const [i, row] of rows.entries())
    for (const [j, name] of row.entries()) {
      const rowWidth = row.length * box.width + (row.length - 1) * gap.x;
      const x = (width - rowWidth) / 2 + j * (box.width + gap.x) + box.width / 2;
      const y = title + margin + i * (box.height + gap.y) + box.height / 2;
      boxes.set(name, { name, x, y, ...looksOf(nodes.get(name)) });
    }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    '  font-family="system-ui, sans-serif" font-size="13" text-anchor="middle" fill="#111827">',
    `  <title>${escaped(topology.name)}</title>`,
    `  <rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `  <text x="${width / 2}" y="${margin}" font-size="16" font-weight="600">${escaped(topology.name)}</text>`,
    ...links(topology, boxes),
    ...[...boxes.values()].flatMap(drawnBox),
    '</svg>',
    '',
  ].join('\n');
}

function looksOf(node: LabNode | undefined): { readonly detail: string; readonly fill: string } {
  if (node === undefined) return { detail: 'outside the lab', fill: fills.outside };
  if (node.kind === 'bridge') return { detail: 'bridge', fill: fills.bridge };
  const { networkMode, image, role } = node;
  const shared = networkMode.mode === 'container' ? networkMode.name : undefined;
  return { detail: shared ?? (image === '' ? 'linux' : basename(image)), fill: fills[role] };
}

/** Names by row: routers before others, then by the distance to the nearest of the first row. */
function rowsOf(topology: Topology): readonly (readonly string[])[] {
  const near = neighbours(topology);
  const roots = topology.nodes.filter(node => node.role === 'frr').map(node => node.name);
  // The top are the routers that only routers are linked to; without any, all routers; without those, the first node.
  const isRouter = new Set(roots);
  const spines = roots.filter(name => [...(near.get(name) ?? [])].every(each => isRouter.has(each)));
  const first = [spines, roots, topology.nodes.slice(0, 1).map(node => node.name)].find(each => each.length > 0) ?? [];
  const rows: string[][] = [[...first]];
  const placed = new Set(first);
  for (let row = first; row.length > 0; ) {
    row = [...new Set(row.flatMap(name => [...(near.get(name) ?? [])]))].filter(name => !placed.has(name));
    for (const name of row) placed.add(name);
    if (row.length > 0) rows.push([...row]);
  }
  const alone = topology.nodes.map(node => node.name).filter(name => !placed.has(name));
  return alone.length > 0 ? [...rows, alone] : rows;
}

function neighbours({ nodes, links: all }: Topology): ReadonlyMap<string, ReadonlySet<string>> {
  const near = new Map(nodes.map(node => [node.name, new Set<string>()]));
  for (const { ends } of all)
    for (const [from, to] of [ends, [ends[1], ends[0]] as const]) {
      const set = near.get(from.node) ?? new Set();
      near.set(from.node, set.add(to.node));
    }
  for (const outside of [hostNode, managementNode]) if (near.get(outside)?.size === 0) near.delete(outside);
  return near;
}

/** Several links between the same two nodes run beside each other. */
function links({ links: all }: Topology, boxes: ReadonlyMap<string, Box>): readonly string[] {
  const beside = new Map<string, number>();
  return all.flatMap(({ ends: [a, b] }) => {
    const [from, to] = [boxes.get(a.node), boxes.get(b.node)];
    if (from === undefined || to === undefined) return [];
    const key = [a.node, b.node].sort().join(' ');
    const order = beside.get(key) ?? 0;
    beside.set(key, order + 1);
    // 0, 1, -1, 2, -2 …
    const shift = Math.ceil(order / 2) * (order % 2 === 1 ? 1 : -1) * 26;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = Math.hypot(dx, dy) || 1;
    const at = (box: Box) => ({ x: box.x - (dy / length) * shift, y: box.y + (dx / length) * shift });
    const [one, other] = [at(from), at(to)];
    return [
      `  <path d="M${round(one.x)} ${round(one.y)} L${round(other.x)} ${round(other.y)}" stroke="#6b7280"/>`,
      endName(a, one, other),
      endName(b, other, one),
    ];
  });
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Beside the line, a little way out of the box. */
function endName({ interface: name }: LabLinkEnd, from: Point, to: Point): string {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  // To where the line leaves the box, which is wider than it is high.
  const leave = Math.min(
    size.box.width / 2 / Math.abs(dx / length || 1e-9),
    size.box.height / 2 / Math.abs(dy / length || 1e-9),
  );
  const out = leave + 14;
  // Away from the box it belongs to, which is drawn over what reaches into it.
  const isLeftward = dx < -1;
  const x = from.x + (dx / length) * out + (isLeftward ? -4 : 4);
  const y = from.y + (dy / length) * out + (Math.abs(dy) < 1 ? -4 : 4);
  const look = `font-size="11" fill="#4b5563" text-anchor="${isLeftward ? 'end' : 'start'}"`;
  return `  <text x="${round(x)}" y="${round(y)}" ${look}>${escaped(name)}</text>`;
}

function drawnBox({ name, detail, fill, x, y }: Box): readonly string[] {
  const { width, height } = size.box;
  const [left, top] = [round(x - width / 2), round(y - height / 2)];
  return [
    `  <rect x="${left}" y="${top}" width="${width}" height="${height}" rx="6" fill="${fill}" stroke="#374151"/>`,
    `  <text x="${round(x)}" y="${round(y - 3)}" font-weight="600">${escaped(cut(name))}</text>`,
    `  <text x="${round(x)}" y="${round(y + 13)}" font-size="11" fill="#4b5563">${escaped(cut(detail))}</text>`,
  ];
}

function cut(text: string): string {
  return text.length > 22 ? `${text.slice(0, 21)}…` : text;
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`);
}

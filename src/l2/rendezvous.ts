/**
 * Who comes first among candidates: rendezvous hashing (highest random weight), so that addresses spread over the nodes
 * and one node more or less changes the order of nobody else. The hash is 64 bits of FNV-1a with MurmurHash3's finish,
 * in two halves; the same on every node, for ever (E1, E2).
 */

export function rendezvousOrder(key: string, nodes: Iterable<string>): readonly string[] {
  const weighed = [...new Set(nodes)].map(node => ({ node, ...weight(node, key) }));
  weighed.sort((a, b) => b.high - a.high || b.low - a.low || (a.node < b.node ? -1 : 1));
  return weighed.map(({ node }) => node);
}

function weight(node: string, key: string): { readonly high: number; readonly low: number } {
  const text = `${node}\0${key}`;
  return { high: half(text, 0x811c_9dc5), low: half(text, 0x9747_b28c) };
}

function half(text: string, basis: number): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x0100_0193);
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

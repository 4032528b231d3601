/** Fuzzes the BGP speaker: `node scripts/fuzz-bgp.ts [messages, default 1000000] [seed, default by chance]`. */
import { fuzz } from '../test/bgp/fuzz.ts';

const messages = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 32));
const rounds = 100_000;
console.log(`seed ${seed}, ${messages} messages`);

const startMs = performance.now();
const notifications = new Map<string, number>();
let established = 0;
for (let done = 0, round = 0; done < messages; done += rounds, round++) {
  const result = fuzz(seed + round, Math.min(rounds, messages - done));
  established += result.established;
  for (const [name, count] of result.notifications) notifications.set(name, (notifications.get(name) ?? 0) + count);
}
const seconds = (performance.now() - startMs) / 1000;
const told = [...notifications].sort().map(([name, count]) => `${name} ${count}`);
console.log(`${established} sessions; NOTIFICATIONs by code/subcode: ${told.join(', ')}`);
console.log(`${messages} messages in ${seconds.toFixed(1)} s, ${Math.round(messages / seconds)}/s, nothing thrown`);

/** What happens when, on simulated time. */

/** Events in the order of their time, and of their coming among equals. */
export class Agenda {
  nowMs = 0;
  readonly #heap: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;

  at(atMs: number, run: () => void): void {
    const heap = this.#heap;
    const item = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    let i = heap.push(item) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(item, heap[up])) break;
      heap[i] = heap[up] as typeof item;
      i = up;
    }
    heap[i] = item;
  }

  run(untilMs: number): void {
    for (let next = this.#heap[0]; next && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = i * 2 + 1;
      const child = left + 1 < heap.length && before(heap[left + 1], heap[left]) ? left + 1 : left;
      if (child >= heap.length || !before(heap[child], last)) break;
      heap[i] = heap[child] as typeof last;
      i = child;
    }
    heap[i] = last;
  }
}

interface Item {
  readonly atMs: number;
  readonly order: number;
}

function before(a: Item | undefined, b: Item | undefined): boolean {
  return a !== undefined && b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
}

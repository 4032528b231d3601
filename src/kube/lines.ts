/** Bytes as they come → lines: a watch is one JSON value a line, a line may come in many pieces. */

/** No object is larger: etcd takes 1.5 MiB, and JSON as the API server writes it is no more than a few times that. */
const lineBytesMax = 16 * 1024 * 1024;

export class LineSplitter {
  readonly #take: (line: string) => void;
  #pieces: Buffer[] = [];
  #pending = 0;

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  /** Calls `take` for each line that ends in `bytes`. Throws on a line that is too long to be true. */
  push(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      this.#line(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start === bytes.length) return;
    this.#pending += bytes.length - start;
    if (this.#pending > lineBytesMax) throw new Error(`a line of more than ${lineBytesMax} octets`);
    this.#pieces.push(bytes.subarray(start));
  }

  /** What is left when the stream ends. */
  end(): void {
    if (this.#pending > 0) this.#line(Buffer.alloc(0));
  }

  #line(last: Buffer): void {
    const bytes = this.#pending === 0 ? last : Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.#pending = 0;
    if (bytes.length > 0) this.#take(bytes.toString('utf8'));
  }
}

/** JSON of which only parts are expected: walking off the path gives an empty value, never an error. */
export class Json {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  static parse(text: string): Json {
    return new Json(text.trim() === '' ? undefined : JSON.parse(text));
  }

  /** The member, or one inside it: `get('bestpath', 'overall')`. */
  get(...path: readonly (string | number)[]): Json {
    let value = this.value;
    for (const step of path)
      value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined;
    return new Json(value);
  }

  get list(): readonly Json[] {
    return Array.isArray(this.value) ? this.value.map(each => new Json(each)) : [];
  }

  get entries(): readonly (readonly [string, Json])[] {
    if (typeof this.value !== 'object' || this.value === null) return [];
    return Object.entries(this.value).map(([key, value]) => [key, new Json(value)]);
  }

  /** Empty for what is neither text nor number. */
  get text(): string {
    return typeof this.value === 'string' || typeof this.value === 'number' ? String(this.value) : '';
  }

  get number(): number | undefined {
    return typeof this.value === 'number' ? this.value : undefined;
  }

  get isTrue(): boolean {
    return this.value === true;
  }
}

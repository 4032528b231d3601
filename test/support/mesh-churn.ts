/**
 * What the members of a mesh originate, changing at random: prefixes come, go and change their AS path, and sessions
 * are reset. All of it follows from the seed, so that a run that failed can be had again.
 */
import { Random } from '../sim/random.ts';
import { type Announced, classCount } from './mesh-model.ts';

export interface ChurnOptions {
  readonly seed: number;
  readonly members: number;
  /** Prefixes of each member. */
  readonly routes: number;
  /** Announcements and withdrawals of each step, over all members. */
  readonly changes: number;
  /** Steps between resets. */
  readonly resetEvery: number;
}

export interface Step {
  readonly announced: readonly Announced[];
  readonly reset: { readonly member: number; readonly other: number | 'source' } | undefined;
}

/** Of a member's prefixes, the share that the member before it originates as well. */
const SHARED = 0.1;
/** Of the changes, the share that announce. */
const ANNOUNCING = 0.8;

export class Churn {
  readonly #options: ChurnOptions;
  readonly #random: Random;
  readonly #announced: Map<string, number>[];
  #steps = 0;
  changed = 0;
  resets = 0;

  /** At first each member has all its prefixes. */
  constructor(options: ChurnOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#announced = Array.from({ length: options.members }, (_, member) => {
      const first = member * options.routes;
      return new Map(Array.from({ length: options.routes }, (_, i) => [prefixAt(first + i), this.#class()] as const));
    });
  }

  get announced(): readonly Announced[] {
    return this.#announced;
  }

  get steps(): number {
    return this.#steps;
  }

  step(): Step {
    const { members, changes, resetEvery } = this.#options;
    for (let i = 0; i < changes; i++) this.#change(this.#random.between(0, members - 1));
    this.changed += changes;
    this.#steps++;
    return { announced: this.#announced, reset: this.#steps % resetEvery === 0 ? this.#reset() : undefined };
  }

  #change(member: number): void {
    const { members, routes } = this.#options;
    const index = this.#random.between(0, Math.floor(routes * (1 + SHARED)) - 1);
    const prefix = prefixAt((member * routes + index) % (members * routes));
    const mine = this.#announced[member];
    if (this.#random.chance(ANNOUNCING)) mine?.set(prefix, this.#class());
    else mine?.delete(prefix);
  }

  #reset(): Step['reset'] {
    const { members } = this.#options;
    const member = this.#random.between(0, members - 1);
    const other = this.#random.between(0, members - 1);
    this.resets++;
    return { member, other: other === member ? 'source' : other };
  }

  #class(): number {
    return this.#random.between(0, classCount - 1);
  }
}

function prefixAt(index: number): string {
  return `20.${index >> 8}.${index & 255}.0/24`;
}

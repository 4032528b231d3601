/**
 * FRR, BIRD, GoBGP, OpenBGPD and Herald in one full mesh, through announcements, withdrawals and session resets at random; at rest every
 * daemon's view of every prefix, as its own command line tells it, is compared with Herald's.
 */
import { describe, it } from 'vitest';

describe('a mesh of five implementations', () => {
  it.todo('agrees on every prefix at rest');
});

import { describe, expect, it } from 'vitest';
import { OwnTable, tableIsRight } from '../../examples/own-table.ts';
import type { TransferUnderTest } from '../../src/doors/testing/index.ts';
import { checkProperty } from '../../src/doors/testing/index.ts';

/** It is not told of writes that come from elsewhere. */
class Deaf extends OwnTable {
  override beginOtherWrite(): TransferUnderTest {
    return { end: () => undefined };
  }
}

/** A store to a page does not reach it. */
class Blind extends OwnTable {
  override store(): void {
    // Nothing is noted.
  }
}

/** It takes the next file of an inode for the one before. */
class Careless extends OwnTable {
  override name(frame: number, name: Parameters<OwnTable['name']>[1]): void {
    super.name(frame, { ...name, generation: 0 });
  }
}

describe('the example of an own table', () => {
  it('the own table of the example hands out what is on the disk', () => {
    checkProperty('the table is right', tableIsRight(), { numRuns: 400 });
  });

  it.each([
    ['is deaf to other writes', Deaf, /because: frame \d is not block \d/],
    ['is blind to stores', Blind, /because: frame \d is not block \d/],
    ['forgets the generation', Careless, /because: frame \d was not named /],
  ])('an own table that %s is found out in a few steps, with a line to replay it', (_, Table, because) => {
    let message = '';
    try {
      checkProperty('the table is right', tableIsRight(Table), { numRuns: 2000 });
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(because);
    expect(message).toMatch(/\nreplay: REPLAY="-?\d+ [\d:]+"$/);
    expect(message.match(/"what":/g)!.length).toBeLessThanOrEqual(5);
  });
});

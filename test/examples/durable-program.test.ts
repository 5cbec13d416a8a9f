import { describe, expect, it } from 'vitest';
import { notesAreDurable } from '../../examples/durable-program.ts';
import { checkProperty } from '../../src/doors/testing/index.ts';

const JOURNAL = 1024;

describe('the example of a durable program', () => {
  it.each([
    ['ext3', JOURNAL, false],
    ['ext3', JOURNAL, true],
    ['ext2', 0, true],
  ])('notes of the example on %s are durable (journal of %i blocks, directory synced: %s)', (_, blocks, syncs) => {
    checkProperty('notes are durable', notesAreDurable(blocks, syncs), { numRuns: 5 });
  });

  it('notes of the example on ext2 are lost when their directory was not synced, and one line replays it', () => {
    const act = (): void => checkProperty('notes are durable', notesAreDurable(0, false));
    expect(act).toThrow(/counterexample: .*\nbecause: ENOENT: .*\nreplay: REPLAY="/);
  });
});

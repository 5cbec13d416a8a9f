import { describe, expect, it } from 'vitest';
import { FrameEvent, nextProvenance, Provenance } from '../../../src/xen/frames/provenance.ts';

// The table of the architecture, edge by edge; whatever is not listed is illegal.
const LEGAL: Record<keyof typeof Provenance, Partial<Record<keyof typeof FrameEvent, keyof typeof Provenance>>> = {
  none: { readSubmitted: 'reading', writeSubmitted: 'writing', overlapped: 'none', stored: 'none', freed: 'none' },
  reading: { completed: 'clean', failed: 'none', stored: 'none', overwritten: 'none', overlapped: 'none' },
  clean: {
    readSubmitted: 'reading',
    writeSubmitted: 'writing',
    overlapped: 'none',
    stored: 'none',
    overwritten: 'none',
    freed: 'none',
  },
  writing: { completed: 'clean', failed: 'none', stored: 'none', overwritten: 'none', overlapped: 'none' },
};

describe('provenance', () => {
  for (const from of Object.keys(Provenance) as (keyof typeof Provenance)[])
    for (const event of Object.keys(FrameEvent) as (keyof typeof FrameEvent)[]) {
      const to = LEGAL[from][event];
      if (to === undefined)
        it(`provenance that is ${from} refuses ${event} as illegal`, () => {
          expect(() => nextProvenance(Provenance[from], FrameEvent[event])).toThrow('illegal provenance transition');
        });
      else
        it(`provenance that is ${from} becomes, by ${event}, ${to}`, () => {
          expect(nextProvenance(Provenance[from], FrameEvent[event])).toBe(Provenance[to]);
        });
    }
});

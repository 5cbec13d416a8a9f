// Whatever is written, flushed, lost and refused by the drive: a guest reads what was written last.
// After a loss it reads what had been written since the last flush, or then. A copy of a block is
// what a read returns as long as the generation of the disk is the same.
import fc from 'fast-check';
import { expect } from 'vitest';
import { property } from '../support/property.ts';
import { CACHE_PAGES, Lab } from './lab.ts';

/** More than the cache holds. */
const BLOCKS = CACHE_PAGES + 64;

type Deed =
  | { readonly do: 'write' | 'read'; readonly block: number; readonly count: number }
  | { readonly do: 'flush' | 'reset' | 'power loss' | 'wait' | 'sync' };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom<'read' | 'write'>('read', 'write'),
      block: fc.nat(BLOCKS - 1),
      count: fc.integer({ min: 1, max: 90 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Deed>(
      { do: 'flush' },
      { do: 'reset' },
      { do: 'power loss' },
      { do: 'wait' },
      { do: 'sync' },
    ),
  },
);

/** There are thousands of blocks: an expectation of each would take longer than the disk. */
function mustBe(block: number, found: number, wanted: readonly number[]): void {
  if (!wanted.includes(found)) throw new Error(`block ${block} is ${found}, and not ${wanted.join(' or ')}`);
}

property(
  'a disk that is a file is what was written to it, and loses only what was not flushed, with a new generation',
  fc.array(deed, { maxLength: 25 }),
  fc.nat(60),
  (deeds, failsOneIn) => {
    const lab = new Lab(BLOCKS, { writeCacheBytes: 1 << 20 });
    let asked = 0;
    lab.fails = () => failsOneIn > 0 && ++asked % (failsOneIn + 2) === 0;
    /** Values that a block may have after a loss; the last one is what it has now. */
    const values = Array.from({ length: BLOCKS }, (_, n) => [(n + 1) & 255]);
    const durable = (): void => values.forEach((each) => each.splice(0, each.length - 1));
    let next = 1;
    for (const it of deeds) {
      const { generation } = lab;
      const before = values.map((each) => each.at(-1));
      if ('block' in it)
        for (let block = it.block; block < Math.min(BLOCKS, it.block + it.count); block++) {
          if (it.do === 'write') {
            const value = (next = (next % 250) + 1);
            if (lab.write(block, value) === 'ok') values[block]!.push(value);
          } else if (lab.read(block)[0] !== 'EIO')
            mustBe(block, lab.memory.readU8(1 as never, 0), values[block]!.slice(-1));
        }
      else if (it.do === 'wait') lab.wait(40e9);
      else if (it.do === 'flush') {
        if (lab.do('flush').end === 'ok') durable();
      } else if (it.do === 'sync') {
        if (lab.simulation.runProcess('sync', lab.files.sync())) durable();
      } else {
        if (it.do === 'reset') lab.reset();
        else lab.powerLoss();
        values.forEach((each, block) => {
          const found = lab.asGuest(block);
          mustBe(block, found, each);
          // What the drive has taken stays in it over a reset, so it may be lost later.
          each.splice(each.lastIndexOf(found) + 1);
        });
        if (it.do === 'power loss') durable();
      }
      if (lab.generation === generation) expect(values.map((each) => each.at(-1))).toEqual(before);
    }
    for (let block = 0; block < BLOCKS; block++) mustBe(block, lab.asGuest(block), values[block]!.slice(-1));
  },
  { numRuns: 60 },
);

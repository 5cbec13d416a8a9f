// The embedded page cache against a model of the two lists as arrays. After any calls, the same
// pages are cached, in the same order, for the same causes.
import fc from 'fast-check';
import { expect } from 'vitest';
import { EmbeddedPageCache, NO_PAGE, type Pfn } from '../../../src/doors/page-cache/index.ts';
import { activePages, checkMemory, inactivePages } from '../../kernel/mm/memory-state.ts';
import { property } from '../../support/property.ts';
import { TwoListModel } from './two-list-model.ts';

const PAGES = 60;
const MAX_CAPACITY = 50;
const ops = ['read', 'read', 'read', 'read', 'begin', 'end', 'fail', 'dirty', 'write', 'written', 'truncate'] as const;
const op = fc.record({
  op: fc.constantFrom(...ops, 'invalidate', 'resize'),
  index: fc.nat(PAGES - 1),
  count: fc.integer({ min: 1, max: MAX_CAPACITY }),
});

property(
  'an embedded page cache holds what the two lists hold, whatever is read, written, cut and resized',
  fc.integer({ min: 1, max: MAX_CAPACITY }),
  fc.constantFrom(1, 2, 32),
  fc.array(op, { minLength: 1, maxLength: 300 }),
  (capacity, batch, steps) => {
    const cache = new EmbeddedPageCache({ capacity, batch, maxCapacity: MAX_CAPACITY });
    const model = new TwoListModel(capacity, batch);
    const file = cache.open(5);
    const begin = (index: number): Pfn => {
      const page = cache.begin(file, index);
      expect(page !== NO_PAGE).toBe(model.begin(index));
      return page;
    };

    for (const { op, index, count } of steps) {
      const page = cache.find(file, index);
      const known = model.pages.get(index);
      expect(page !== NO_PAGE).toBe(known !== undefined);
      if (op === 'read') {
        expect(cache.get(file, index)).toBe(page);
        model.get(index);
        const read = known === undefined ? begin(index) : NO_PAGE;
        if (read !== NO_PAGE) {
          cache.end(read);
          cache.access(read);
          model.pages.get(index)!.isReading = false;
          model.access(model.pages.get(index)!);
        }
      } else if (op === 'begin' && known === undefined) begin(index);
      else if (op === 'end' && known?.isReading === true) {
        cache.end(page);
        known.isReading = false;
      } else if (op === 'fail' && known?.isReading === true) {
        cache.end(page, false);
        model.drop(known, 'failed');
      } else if (op === 'dirty' && known?.isReading === false) {
        expect(cache.setDirty(page)).toBe(!known.isDirty);
        known.isDirty = true;
      } else if (op === 'write' && known?.isDirty === true && !known.isWriting) {
        cache.beginWrite(page);
        known.isDirty = false;
        known.isWriting = true;
      } else if (op === 'written' && known?.isWriting === true) {
        cache.endWrite(page, count > 5);
        known.isDirty ||= count <= 5;
        known.isWriting = false;
      } else if (op === 'truncate' && count > 40) {
        const cut = [...model.pages.values()].filter((one) => one.index >= index);
        const gone = cut.filter((one) => !one.isReading && !one.isWriting);
        expect(cache.truncate(file, index)).toBe(cut.length - gone.length);
        for (const one of gone) model.drop(one, 'truncated');
      } else if (op === 'invalidate' && count > 30) {
        const end = index + count;
        const gone = [...model.pages.values()].filter(
          (one) => one.index >= index && one.index < end && !one.isReading && !one.isWriting && !one.isDirty,
        );
        expect(cache.invalidate(file, index, end)).toBe(gone.length);
        for (const one of gone) model.drop(one, 'invalidated');
      } else if (op === 'resize') expect(cache.resize(count)).toBe(model.resize(count));

      const { map } = cache.memory;
      const indices = (pages: number[]): number[] => pages.map((one) => map.indexOf(one as Pfn));
      expect([indices(inactivePages(map)), indices(activePages(map))]).toEqual([model.inactive, model.active]);
      const dirty = [...model.pages.values()].filter(({ isDirty }) => isDirty).map((one) => one.index);
      expect(cache.dirtyPages(file).map((one) => cache.indexOf(one))).toEqual(dirty.sort((a, b) => a - b));
      expect(cache.counts()).toEqual(model.counts);
      expect(cache.nrPages).toBe(model.pages.size);
      const { inserted, dropped } = cache.counts();
      expect(cache.nrPages + Object.values(dropped).reduce((sum, one) => sum + one, 0)).toBe(inserted);
    }
    checkMemory(cache.memory);
  },
);

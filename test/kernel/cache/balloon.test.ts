// The balloon driver alone: what it asks of the hypervisor, call by call. With everything else:
// test/experiment/guest/balloon.test.ts.
import { describe, expect, it } from 'vitest';
import { Ns, PAGE_SIZE } from '../../../src/base/index.ts';
import { Balloon } from '../../../src/kernel/cache/balloon.ts';
import type { GuestEnvironment } from '../../../src/xen/public/index.ts';
import { COSTS } from '../../support/fake-machine.ts';
import { rig } from './page-io-rig.ts';

const PAGES = 6000;
const KIB_A_PAGE = PAGE_SIZE / 1024;

/** A driver whose hypervisor notes each call, and takes or gives `most` pages in all. */
function balloon(most = Infinity) {
  const { machine, mm, supply, start } = rig(PAGES);
  const calls: number[] = [];
  const store = { target: '', fire: (): void => undefined };
  const hypervisor = { most };
  const take = (pages: ArrayLike<number>): number => {
    const done = Math.min(pages.length, hypervisor.most);
    hypervisor.most -= done;
    return done;
  };
  const env: GuestEnvironment = {
    ...machine.env,
    get now() {
      return machine.simulation.now;
    },
    hypercalls: {
      ...machine.env.hypercalls,
      decreaseReservation: (pages) => {
        calls.push(-pages.length);
        return take(pages);
      },
      increaseReservation: (pages) => {
        calls.push(pages.length);
        return take(pages);
      },
    },
    xenstore: {
      ...machine.env.xenstore,
      *read() {
        return store.target;
      },
      *watch(_path, fire) {
        store.fire = fire;
      },
    },
  };
  const driver = new Balloon(env, COSTS, mm, supply);
  start(driver.connect(), 0.1);
  /** The calls that a target leads to within so many seconds. */
  const callsOf = (target: string, seconds = 0.5): number[] => {
    calls.length = 0;
    store.target = target;
    store.fire();
    start(
      (function* () {
        yield Ns(seconds * 1e9);
      })(),
      seconds,
    );
    return [...calls];
  };
  return { machine, driver, mm, hypervisor, callsOf };
}

const kibOf = (pages: number): string => String(pages * KIB_A_PAGE);

describe('the balloon driver', () => {
  it.each([
    [1, [1]],
    [1023, [1023]],
    [1024, [1024]],
    [1025, [1024, 1]],
    [2047, [1024, 1023]],
    [2048, [1024, 1024]],
    [2049, [1024, 1024, 1]],
  ])('the balloon driver gives %i pages back and gets them again in calls of 1024 at most', (pages, batches) => {
    const { driver, mm, callsOf } = balloon();
    const free = mm.allocator.freeCount;
    expect(callsOf(kibOf(PAGES - pages))).toEqual(batches.map((count) => -count));
    expect([driver.nrPages, mm.allocator.freeCount]).toEqual([pages, free - pages]);
    expect(callsOf(kibOf(PAGES))).toEqual(batches);
    expect([driver.nrPages, mm.allocator.freeCount]).toEqual([0, free]);
  });

  it.each([
    [1023, [1024]],
    [1024, [1024, 976]],
    [1025, [1024, 976]],
    [1999, [1024, 976]],
  ])(
    'the balloon driver stops where the hypervisor had only %i of 2000, and tries again after a second',
    (most, batches) => {
      const { driver, mm, hypervisor, callsOf } = balloon();
      callsOf(kibOf(PAGES - 2000));
      const free = mm.allocator.freeCount;
      hypervisor.most = most;
      expect(callsOf(kibOf(PAGES))).toEqual(batches);
      expect([driver.nrPages, mm.allocator.freeCount]).toEqual([2000 - most, free + most]);
      hypervisor.most = Infinity;
      // The target is the same: nothing but the timer asks again.
      expect(callsOf('not a number', 1)).toEqual(most === 1023 ? [977] : [2000 - most]);
      expect([driver.nrPages, mm.allocator.freeCount]).toEqual([0, free + 2000]);
    },
  );

  it.each([
    ['four digits', kibOf(500), PAGES - 500],
    ['a page and 3 KiB', String(501 * KIB_A_PAGE - 1), PAGES - 500],
    ['twelve digits', '000000002000', PAGES - 500],
    ['thirteen digits', '0000000002000', 0],
    ['more than it was built with', kibOf(PAGES + 1), 0],
    ['the most that twelve digits say', '9'.repeat(12), 0],
    ['a sign', '-2000', 0],
    ['nothing', '', 0],
  ])('the balloon driver with a target of %s ends at: %s', (_, target, given) => {
    const { driver, callsOf } = balloon();
    callsOf(target, 3);
    expect(driver.nrPages).toBe(given);
  });

  it('the balloon driver has no timer while it has what it should', () => {
    const { machine, callsOf } = balloon();
    callsOf(kibOf(PAGES - 10));
    const { eventCount } = machine.simulation;
    expect(callsOf(kibOf(PAGES - 10), 1000)).toEqual([]);
    expect(machine.simulation.eventCount - eventCount).toBeLessThan(10);
  });
});

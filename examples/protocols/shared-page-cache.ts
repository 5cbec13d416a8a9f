/**
 * A page cache that several kernels share. 181 lines of code.
 *
 * It stands for DAXFS: the cache lies in memory that all kernels see. A kernel that misses a page
 * makes its slot pending and waits, for a time. Workers of the host, which has the backing file, fill
 * pending slots. What a worker reads goes straight into the slot. The slots and their header survive
 * all kernels. What kernels wait for, and what workers read, does not.
 *
 * Scope: two kernels, two workers, two slots for two pages each. Any number of crashes of the host and
 * of restarts of all kernels, one of them over another file.
 */

// In a project of your own: from 'stillwarm/protocol'.
import { type ProtocolFault as Fault, type Model, protocol, type Step } from '../../src/lab/protocol/index.ts';

/** A slot serves two pages of the file: slot 0 pages 0 and 1, slot 1 pages 2 and 3. */
interface Slot {
  state: 'free' | 'pending' | 'filling' | 'valid';
  page: number | null;
  /** Null is a page of zeroes. */
  holds: { page: number; version: number } | null;
  /** It was valid when the host attached last. */
  isOld: boolean;
}

interface State {
  /** Version of the backing file, and the one that the header of the cache names. */
  file: number;
  header: number;
  isAttached: boolean;
  slots: Slot[];
  /** The page that each kernel waits for. */
  kernels: (number | null)[];
  /** What each worker of the host reads from the backing file. */
  workers: ({ page: number; read: 'under way' | 'done' | 'failed' } | null)[];
}

const fault = (what: string, breaks: string, within: number): Fault => ({ what, breaks, within });
const READ = 'A valid slot holds its page of the file';
const ALIVE = 'A slot that is being filled has a worker';
const exchange = (list: unknown[], i: number, j: number): void => {
  [list[i], list[j]] = [list[j], list[i]];
};
const slotOf = ({ slots }: Readonly<State>, page: number): Slot => slots[page >> 1]!;
/** All pages of a state are given other numbers. */
const renumber = (s: State, number: (page: number) => number): void => {
  for (const slot of s.slots) {
    if (slot.page !== null) slot.page = number(slot.page);
    if (slot.holds !== null) slot.holds.page = number(slot.holds.page);
  }
  for (const worker of s.workers) if (worker !== null) worker.page = number(worker.page);
  s.kernels = s.kernels.map((page) => (page === null ? null : number(page)));
};

export default protocol({
  name: 'shared-page-cache',
  what: 'Kernels share a page cache in memory that outlives them, and a host fills its slots.',
  faults: {
    errorIsValid: fault('A read error leaves a page of zeroes that is marked valid.', READ, 5),
    lateFill: fault('A time-out frees a slot that is being filled, and the fill ends late.', READ, 7),
    unknownFile: fault('Nothing says whether the backing file is still the same.', READ, 7),
    orphans: fault('A host that comes back leaves slots that it was filling.', ALIVE, 5),
  },
  build(has): Model<State> {
    const kernel = (k: number): Record<string, Step<State>> => {
      /** Whether it waits, and the slot is in such a state for its page. */
      const waits = (s: Readonly<State>, ...states: Slot['state'][]): boolean => {
        const page = s.kernels[k]!;
        return page !== null && slotOf(s, page).page === page && states.includes(slotOf(s, page).state);
      };
      return {
        'misses page': {
          each: 4,
          when: (s, page: number) =>
            s.isAttached &&
            s.kernels[k] === null &&
            (slotOf(s, page).state === 'free' || (slotOf(s, page).state === 'valid' && slotOf(s, page).page !== page)),
          do(s, page: number) {
            s.kernels[k] = page;
            Object.assign(slotOf(s, page), { state: 'pending', page, isOld: false });
          },
        },
        'waits for page': {
          each: 4,
          when: (s, page: number) =>
            s.kernels[k] === null &&
            slotOf(s, page).page === page &&
            ['pending', 'filling'].includes(slotOf(s, page).state),
          do: (s, page: number) => void (s.kernels[k] = page),
        },
        'reads the page': { when: (s) => waits(s, 'valid'), do: (s) => void (s.kernels[k] = null) },
        'looks up again': {
          when: (s) => s.kernels[k] !== null && !waits(s, 'pending', 'filling', 'valid'),
          do: (s) => void (s.kernels[k] = null),
        },
        'times out': {
          when: (s) => waits(s, 'pending', 'filling'),
          do(s) {
            if (waits(s, 'pending') || has('lateFill')) slotOf(s, s.kernels[k]!).state = 'free';
            s.kernels[k] = null;
          },
        },
      };
    };
    const worker = (w: number): Record<string, Step<State>> => ({
      'starts to fill slot': {
        each: 2,
        when: (s, slot: number) => s.isAttached && s.workers[w] === null && s.slots[slot]!.state === 'pending',
        do({ slots, workers }, slot: number) {
          slots[slot]!.state = 'filling';
          workers[w] = { page: slots[slot]!.page!, read: 'under way' };
        },
      },
      'reads the file into the slot': {
        when: ({ workers }) => workers[w]?.read === 'under way',
        do(s) {
          const { page } = s.workers[w]!;
          slotOf(s, page).holds = { page, version: s.file };
          s.workers[w]!.read = 'done';
        },
      },
      'fails to read the file': {
        when: ({ workers }) => workers[w]?.read === 'under way',
        do(s) {
          slotOf(s, s.workers[w]!.page).holds = null;
          s.workers[w]!.read = 'failed';
        },
      },
      'ends the fill': {
        when: ({ workers }) => workers[w] !== null && workers[w]!.read !== 'under way',
        do(s) {
          const { page, read } = s.workers[w]!;
          if (read === 'done' || has('errorIsValid')) slotOf(s, page).state = 'valid';
          else slotOf(s, page).state = 'free';
          s.workers[w] = null;
        },
      },
    });
    return {
      initial: {
        ...{ file: 1, header: 1, isAttached: false, kernels: [null, null], workers: [null, null] },
        slots: [0, 1].map(() => ({ state: 'free', page: null, holds: null, isOld: false })),
      },
      actors: {
        host: {
          attaches: {
            when: (s) => !s.isAttached,
            do(s) {
              for (const slot of s.slots) {
                if (slot.state === 'filling' && !has('orphans')) slot.state = 'free';
                if (s.header !== s.file && !has('unknownFile')) slot.state = 'free';
                slot.isOld = slot.state === 'valid';
              }
              s.header = s.file;
              s.isAttached = true;
            },
          },
        },
        'kernel 0': kernel(0),
        'kernel 1': kernel(1),
        'worker 0': worker(0),
        'worker 1': worker(1),
      },
      events: {
        'the host crashes': { survives: ['file', 'header', 'slots', 'kernels'], most: Infinity },
        'all kernels restart': { survives: ['file', 'header', 'slots'], most: Infinity },
        'all kernels restart over another file': {
          survives: ['file', 'header', 'slots'],
          then: (s) => void (s.file = 2),
        },
      },
      laws: {
        always: {
          [READ]: (s) =>
            !s.isAttached ||
            s.slots.every(
              ({ state, page, holds }) => state !== 'valid' || (holds?.page === page && holds?.version === s.file),
            ),
          [ALIVE]: (s) =>
            !s.isAttached ||
            s.slots.every(
              ({ state, page }) => state !== 'filling' || s.workers.some((worker) => worker?.page === page),
            ),
        },
        sometimes: {
          'A page outlives a restart': (s) =>
            s.isAttached && s.slots.some(({ state, isOld }) => state === 'valid' && isOld),
          'One read serves both kernels': ({ slots, kernels: [a, b] }) =>
            a === b && slots.some(({ state, page }) => state === 'valid' && page === a),
        },
      },
      alike: [
        { count: 2, swap: (s, i, j) => exchange(s.kernels, i, j) },
        { count: 2, swap: (s, i, j) => exchange(s.workers, i, j) },
        {
          count: 2,
          swap(s, i, j) {
            exchange(s.slots, i, j);
            renumber(s, (page) => page ^ 2);
          },
        },
        { count: 2, swap: (s) => renumber(s, (page) => (page < 2 ? page ^ 1 : page)) },
        { count: 2, swap: (s) => renumber(s, (page) => (page < 2 ? page : page ^ 1)) },
      ],
    };
  },
});

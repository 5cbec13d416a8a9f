/**
 * A memfd that is handed to the next kernel: preserve, freeze, kexec, retrieve, finish. 211 lines of
 * code.
 *
 * It stands for Linux's live update orchestrator (LUO) and kexec handover (KHO), with faults that
 * they have had. Frames, the orders with which KHO keeps them, and the table survive a kexec. The
 * page cache, the flags of folios and what the orchestrator knows do not.
 *
 * Scope: a file of two pages, each written up to twice. One kexec, into a kernel of the same version
 * or of an older one.
 */

// In a project of your own: from 'stillwarm/protocol'.
import { type Event, type ProtocolFault as Fault, type Model, protocol } from '../../src/lab/protocol/index.ts';

interface Frame {
  /** The version of its page. */
  holds: number;
  dirty: boolean;
  uptodate: boolean;
  /** KHO keeps it with this order: alone (0), with its neighbour (1), or not at all (null). */
  order: number | null;
  /** Another process has it. */
  isForeign: boolean;
}

type Phase = 'open' | 'found' | 'preserved' | 'frozen' | 'booted' | 'read' | 'broken' | 'retrieving' | 'finished';

interface State {
  /** What the program last wrote to each page, and whether it sealed the file: the oracle. */
  written: number[];
  isSealed: boolean;
  kernel: 'first' | 'next' | 'older';
  phase: Phase;
  /** What the program has got from retrieve. */
  got: 'nothing' | 'the file' | 'an error' | 'no such file';
  /** The file: the frame of each page, and its seals. Page p is in frame p or in frame p + 2. */
  pages: (number | null)[];
  seals: number;
  frames: Frame[];
  /** The table, and a field of its header that is reserved in the older version. */
  rows: ({ frame: number; dirty: boolean; uptodate: boolean } | null)[];
  reserved: number;
}

const fault = (what: string, breaks: string, within: number): Fault => ({ what, breaks, within });
const [READ, SEALED] = ['A read returns what was last written', 'A sealed file stays sealed'];
const [OWNED, TOLD] = ['A frame has one owner', 'The loss of a file is told'];
const KEPT = 'A frame is kept for the table alone';
const GARBAGE = -1;
const freeFrame = (): Frame => ({ holds: GARBAGE, dirty: false, uptodate: false, order: null, isForeign: false });
const frameOf = (s: State, page: number): Frame => s.frames[(s.pages[page] ??= page)]!;
const isOpen = (s: Readonly<State>): boolean => s.got === 'the file' || (s.kernel === 'first' && s.phase !== 'frozen');
/** Neighbours are kept as one piece. */
const orderOf = ({ rows: [a, b] }: State): number => (a!.frame >> 1 === b!.frame >> 1 ? 1 : 0);
const exchange = (list: unknown[], i: number, j: number): void => {
  [list[i], list[j]] = [list[j], list[i]];
};
const kexec = (kernel: State['kernel']): Event<State> => ({
  survives: ['written', 'isSealed', 'frames', 'rows', 'reserved'],
  when: ({ phase }) => phase === 'frozen',
  then(s) {
    Object.assign(s, { kernel, phase: 'booted' });
    for (const frame of s.frames) frame.dirty = frame.uptodate = false;
  },
});

export default protocol({
  name: 'memfd-handover',
  what: 'A memfd is preserved, frozen, handed over by kexec, retrieved and finished.',
  faults: {
    dirtySampled: fault('Preserve samples the dirty bit, and pages stay writable.', READ, 10),
    uptodateSampled: fault('Preserve samples the up-to-date flag, and pages stay writable.', READ, 10),
    collapse: fault('A collapse may replace a folio between look-up and pin.', READ, 11),
    retrieveAgain: fault('A retrieve that failed half-way may be tried again.', OWNED, 11),
    swallowed: fault('A failed deserialization is taken for an empty table.', TOLD, 6),
    reservedIgnored: fault('An older kernel does not reject a reserved field that is set.', SEALED, 9),
    otherOrder: fault('Unpreserve computes another order than preserve.', KEPT, 3),
  },
  build: (has): Model<State> => ({
    initial: {
      ...{ written: [0, 0], isSealed: false, kernel: 'first', phase: 'open', got: 'nothing', pages: [null, null] },
      ...{ seals: 0, frames: [freeFrame(), freeFrame(), freeFrame(), freeFrame()], rows: [null, null], reserved: 0 },
    },
    actors: {
      program: {
        'writes page': {
          each: 2,
          when: (s, page: number) => isOpen(s) && s.seals === 0 && s.written[page]! < 2,
          do: (s, page: number) =>
            void Object.assign(frameOf(s, page), { holds: ++s.written[page]!, dirty: true, uptodate: true }),
        },
        'reads page': {
          each: 2,
          when: (s, page: number) => isOpen(s) && !s.frames[s.pages[page] ?? page]!.uptodate,
          // The page is zeroed at its first access.
          do: (s, page: number) => void Object.assign(frameOf(s, page), { holds: 0, uptodate: true }),
        },
        'seals the file': {
          when: (s) => isOpen(s) && !s.isSealed,
          do: (s) => void Object.assign(s, { isSealed: true, seals: 1 }),
        },
        'asks for the file': {
          when: ({ phase, got }) =>
            (phase === 'broken' && got === 'nothing') ||
            (phase === 'read' && (got === 'nothing' || (got === 'an error' && has('retrieveAgain')))),
          do(s) {
            const isRejected = s.kernel === 'older' && s.reserved !== 0 && !has('reservedIgnored');
            if (s.phase === 'broken' && has('swallowed')) s.got = 'no such file';
            else if (s.phase === 'broken' || isRejected) s.got = 'an error';
            else s.phase = 'retrieving';
          },
        },
      },
      orchestrator: {
        'looks up the folios': {
          when: ({ phase }) => phase === 'open',
          do(s) {
            s.phase = 'found';
            // Holes are filled.
            s.rows = [0, 1].map((page) => ({ frame: (s.pages[page] ??= page), dirty: false, uptodate: false }));
          },
        },
        'pins and preserves the folios': {
          when: ({ phase }) => phase === 'found',
          do(s) {
            s.phase = 'preserved';
            for (const row of s.rows) {
              const frame = s.frames[row!.frame]!;
              frame.order = orderOf(s);
              if (!has('dirtySampled')) frame.dirty = true;
              if (!has('uptodateSampled') && !frame.uptodate) Object.assign(frame, { holds: 0, uptodate: true });
              Object.assign(row!, { dirty: frame.dirty, uptodate: frame.uptodate });
            }
          },
        },
        'unpreserves the folios': {
          when: ({ phase }) => phase === 'preserved',
          do(s) {
            const order = has('otherOrder') ? 0 : orderOf(s);
            for (const row of s.rows) if (s.frames[row!.frame]!.order === order) s.frames[row!.frame]!.order = null;
            Object.assign(s, { phase: 'open', rows: [null, null] });
          },
        },
        'freezes the file': {
          when: ({ phase }) => phase === 'preserved',
          do: (s) => void Object.assign(s, { phase: 'frozen', reserved: s.seals }),
        },
        'thaws the file': {
          when: ({ phase }) => phase === 'frozen',
          do: (s) => void Object.assign(s, { phase: 'preserved', reserved: 0 }),
        },
        'deserializes the table': { when: (s) => s.phase === 'booted', do: (s) => void (s.phase = 'read') },
        'fails to deserialize the table': { when: (s) => s.phase === 'booted', do: (s) => void (s.phase = 'broken') },
        'retrieves page': {
          each: 2,
          when: ({ phase, pages }, page: number) => phase === 'retrieving' && pages[page] === null,
          do(s, page: number) {
            const { frame, ...flags } = s.rows[page]!;
            s.pages[page] = frame;
            Object.assign(s.frames[frame]!, flags, { order: null });
            if (s.pages.includes(null)) return;
            Object.assign(s, { phase: 'read', got: 'the file', seals: s.kernel === 'next' ? s.reserved : 0 });
          },
        },
        'fails to retrieve the rest': {
          when: ({ phase }) => phase === 'retrieving',
          do: (s) => void Object.assign(s, { phase: 'read', got: 'an error', pages: [null, null] }),
        },
        'finishes the file': {
          when: ({ phase, got }) => phase === 'read' && got !== 'nothing',
          do(s) {
            for (const row of s.rows) s.frames[row!.frame]!.order = null;
            Object.assign(s, { phase: 'finished', rows: [null, null] });
          },
        },
      },
      memory: {
        'reclaims clean page': {
          each: 2,
          when: ({ phase, got, pages, frames }, page: number) =>
            (phase === 'open' || got === 'the file') && pages[page] !== null && !frames[pages[page]!]!.dirty,
          do(s, page: number) {
            Object.assign(frameOf(s, page), freeFrame());
            s.pages[page] = null;
          },
        },
        'collapses page': {
          each: 2,
          when: ({ phase, pages, frames }, page: number) =>
            (phase === 'open' || (phase === 'found' && has('collapse'))) &&
            pages[page] === page &&
            frames[page]!.uptodate,
          do({ pages, frames }, page: number) {
            pages[page] = page + 2;
            frames[page + 2] = { ...frames[page]! };
          },
        },
        'gives another process frame': {
          each: 4,
          when: ({ kernel, pages, frames }, at: number) =>
            kernel !== 'first' && !pages.includes(at) && frames[at]!.order === null && !frames[at]!.isForeign,
          do: ({ frames }, at: number) => void Object.assign(frames[at]!, { holds: GARBAGE, isForeign: true }),
        },
      },
    },
    events: { 'kexec into the next kernel': kexec('next'), 'kexec into an older kernel': kexec('older') },
    laws: {
      always: {
        // A page that is not up to date is judged when it is read.
        [READ]: (s) =>
          !isOpen(s) ||
          s.pages.every((at, page) =>
            at === null ? s.written[page] === 0 : !s.frames[at]!.uptodate || s.frames[at]!.holds === s.written[page],
          ),
        [OWNED]: ({ frames, pages }) =>
          frames.every(({ isForeign, order }, at) => !isForeign || (order === null && !pages.includes(at))),
        [TOLD]: ({ got }) => got !== 'no such file',
        [SEALED]: (s) => !isOpen(s) || !s.isSealed || s.seals !== 0,
        [KEPT]: ({ frames, rows }) =>
          frames.every(({ order }, at) => order === null || rows.some((row) => row?.frame === at)),
      },
      sometimes: {
        'All that was written is there after the kexec': ({ phase, got, written }) =>
          phase === 'finished' && got === 'the file' && written.every((version) => version > 0),
      },
      done: ({ got }) => got !== 'nothing',
    },
    alike: [
      {
        count: 2,
        swap(s) {
          for (const list of [s.written, s.pages, s.rows, s.frames]) exchange(list, 0, 1);
          exchange(s.frames, 2, 3);
          s.pages = s.pages.map((at) => (at === null ? null : at ^ 1));
          for (const row of s.rows) if (row !== null) row.frame ^= 1;
        },
      },
    ],
  }),
});

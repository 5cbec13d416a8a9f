/**
 * The warm cache as a protocol. It has frames of memory, the table of what they are, a disk, and a
 * guest that dies and comes back on the same memory. 252 lines of code.
 *
 * The hypervisor notes of each frame what it has seen: a block that the bytes equal, a transfer
 * under way, or nothing. The guest says which page of which file a frame is. When it dies, frames
 * that are named and clean are kept. The next guest claims them by name, for the block where the
 * page lies now. The guest is not believed: here it names, stores and writes whatever it likes.
 *
 * Scope: one frame, one page, two blocks, one transfer at a time, a crash and a restart of the
 * hypervisor: 52,272 states. Three faults need a second frame or transfer, and get it.
 *
 * The code of stillwarm refines this. In a scope of the same size its frame table, cache map,
 * rebuild and quick reload have 28,164 states and 145,559 transitions. Each transition is one step
 * of this protocol, and each step is met. `test/examples/warm-cache.test.ts` compares them, also
 * with one protection after the other taken from the code. Then it takes a step that is not here.
 */

// In a project of your own: from 'stillwarm/protocol'.
import { type Model, type Protocol, protocol, type Step } from '../../src/lab/protocol/index.ts';

/** A frame, and its record in the table. */
export interface Frame {
  /** A content: 0 is a blank page, and only whether two are equal matters. */
  bytes: number;
  /** What the hypervisor knows of the bytes, and of which block; -1: of none. */
  knows: 'nothing' | 'reading' | 'clean' | 'writing';
  block: number;
  /** The page that it is said to be, or -1; and the generation of the file. */
  page: number;
  generation: number;
  /** It waits to be claimed by the next guest. */
  isKept: boolean;
}

export interface Transfer {
  readonly frame: number;
  readonly block: number;
  readonly isWrite: boolean;
  hasMoved: boolean;
}

export interface WarmCache {
  frames: Frame[];
  /** The content of each block. */
  disk: number[];
  /** Where each page lies, or -1, and the generation of its file. */
  pages: { block: number; generation: number }[];
  transfers: Transfer[];
  /** `left`: the frames wait for another hypervisor. */
  phase: 'running' | 'dead' | 'judged' | 'left';
  /** Another machine has written to the disk. */
  isChanged: boolean;
  /** What the last step said: the frame that was taken over, or -1, and why others were lost. */
  taken: number;
  refused: string[];
}

const FAULTS = {
  writeProtection: { what: 'A store to a known frame is not seen.', breaks: 'takeover', within: 8 },
  provenance: { what: 'A frame need not be clean.', breaks: 'takeover', within: 4 },
  blockCheck: { what: 'A claim does not say where the page lies now.', breaks: 'takeover', within: 7 },
  generation: { what: 'A claim does not say which generation the file is.', breaks: 'one generation', within: 9 },
  deviceIdentity: { what: 'A disk that was written to from elsewhere is believed.', breaks: 'takeover', within: 8 },
  protectAtSubmission: { what: 'A store during a transfer is not seen.', breaks: 'takeover', within: 8 },
  otherWrites: { what: 'A write leaves other frames of its block clean.', breaks: 'takeover', within: 9 },
  overlaps: { what: 'Transfers that race are vouched for.', breaks: 'takeover', within: 10 },
  failedTransfers: { what: 'A transfer that failed is vouched for.', breaks: 'takeover', within: 6 },
  drain: { what: 'Frames are judged before their transfers end.', breaks: 'drained', within: 2 },
  revokeFirst: { what: 'The dead guest stores after its frames were judged.', breaks: 'takeover', within: 8 },
  duplicates: { what: 'Two frames of one name are kept.', breaks: 'one frame', within: 10 },
};
export type Fault = keyof typeof FAULTS;
const REFUSALS = ['dirty', 'diskChanged', 'duplicate', 'generation', 'staleBlock'];

/** How much there is of everything. */
export const SIZE = { frames: 1, pages: 1, blocks: 2, transfers: 1 };
/** What some faults need besides, to be shown. */
export const NEEDS: Partial<Record<Fault, Partial<typeof SIZE>>> = {
  otherWrites: { frames: 2, blocks: 1 },
  overlaps: { blocks: 1, transfers: 2 },
  duplicates: { frames: 2, blocks: 1 },
};
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const pairs = (some: number[], others = [0]): number[][] => some.flatMap((a) => others.map((b) => [a, b]));
const blank = (): Frame => ({ bytes: 0, knows: 'nothing', block: -1, page: -1, generation: 0, isKept: false });

/** Equal states get the same data: contents are numbered as they are met, transfers are sorted. */
export function settle(s: WarmCache): void {
  const met = [0];
  const labelOf = (content: number): number => (met.includes(content) || met.push(content), met.indexOf(content));
  s.disk = s.disk.map(labelOf);
  for (const frame of s.frames) frame.bytes = labelOf(frame.bytes);
  const rank = (it: Transfer): number => it.frame * 100 + it.block * 4 + 2 * Number(it.isWrite) + Number(it.hasMoved);
  s.transfers.sort((a, b) => rank(a) - rank(b));
  s.refused.sort();
}

export const warmCache = (size = SIZE): Protocol<WarmCache, Fault> => ({
  name: 'warm-cache',
  what: 'a page cache that outlives its guest, with a table of what each frame is known to equal',
  faults: FAULTS,
  build: (has) => {
    const needs = Object.entries(NEEDS).filter(([fault]) => has(fault as Fault));
    return modelOf(
      needs.reduce((all, [, need]) => ({ ...all, ...need }), size),
      has,
    );
  },
});
export default protocol(warmCache());

function modelOf(size: typeof SIZE, has: (fault: Fault) => boolean): Model<WarmCache> {
  const know = (frame: Frame, knows: Frame['knows'], block: number): void => {
    Object.assign(frame, { knows, block: knows === 'nothing' ? -1 : block });
  };
  const fresh = (s: WarmCache): number => 1 + Math.max(...s.disk, ...s.frames.map(({ bytes }) => bytes));
  const store = (s: WarmCache, n: number): void => {
    const frame = s.frames[n]!;
    frame.bytes = fresh(s);
    const traps = !has('writeProtection') && (frame.knows === 'clean' || !has('protectAtSubmission'));
    if (traps && s.phase === 'running') know(frame, 'nothing', -1);
  };
  const name = (s: WarmCache, n: number, page: number): void => {
    const generation = s.pages[page]?.generation ?? 0;
    Object.assign(s.frames[n]!, { page, generation, isKept: false });
  };

  // Transfers.
  const count = (s: WarmCache, n: number): number => s.transfers.filter(({ frame }) => frame === n).length;
  const begin = (s: WarmCache, frame: number, block: number, isWrite: boolean): void => {
    const isRace = count(s, frame) > 0 || s.transfers.some((it) => it.isWrite && it.block === block);
    const others = s.frames.filter((it, n) => it.block === block && n !== frame);
    if (isWrite && !has('otherWrites')) for (const it of others) know(it, 'nothing', -1);
    know(s.frames[frame]!, isRace && !has('overlaps') ? 'nothing' : isWrite ? 'writing' : 'reading', block);
    s.transfers.push({ frame, block, isWrite, hasMoved: false });
  };
  const move = (s: WarmCache, at: number): void => {
    const { frame, block, isWrite } = s.transfers[at]!;
    if (isWrite) s.disk[block] = s.frames[frame]!.bytes;
    else s.frames[frame]!.bytes = s.disk[block]!;
    s.transfers[at]!.hasMoved = true;
  };
  const end = (s: WarmCache, at: number): void => {
    const { frame: n, block, isWrite, hasMoved } = s.transfers.splice(at, 1)[0]!;
    const frame = s.frames[n]!;
    if (frame.block === block && frame.knows === (isWrite ? 'writing' : 'reading'))
      know(frame, hasMoved || has('failedTransfers') ? 'clean' : 'nothing', block);
  };

  // A restart: what is kept, what the next guest gets, and what it may claim.
  const isClean = ({ knows }: Frame): boolean => knows === 'clean' || has('provenance');
  const isDoubted = (s: WarmCache): boolean => s.isChanged && !has('deviceIdentity');
  const lose = (s: WarmCache, n: number, reason: string): void => {
    if (s.frames[n]!.page >= 0) s.refused.push(reason);
    s.frames[n] = blank();
  };
  const judge = (s: WarmCache): void => {
    s.frames.forEach((frame, n) => {
      frame.isKept = frame.page >= 0 && isClean(frame) && !isDoubted(s);
      if (!frame.isKept) lose(s, n, isClean(frame) ? 'diskChanged' : 'dirty');
    });
    Object.assign(s, { phase: 'judged', isChanged: false });
  };
  /** The same for another hypervisor: what is lost, and the disk, are for that one to judge. */
  const leave = (s: WarmCache): void => {
    s.frames.forEach((frame, n) => {
      frame.isKept ||= frame.page >= 0 && isClean(frame);
      if (frame.page < 0) s.frames[n] = blank();
    });
    s.phase = 'left';
  };
  /** Another frame before it waits under its name. */
  const isDouble = (s: WarmCache, n: number): boolean => {
    const { isKept, page, generation } = s.frames[n]!;
    const others = s.frames.slice(0, n).filter((it) => it.page === page && it.generation === generation);
    return isKept && !has('duplicates') && others.some((it) => it.isKept);
  };
  const rebuild = (s: WarmCache): void => {
    s.frames.forEach((frame, n) => {
      if (!frame.isKept) lose(s, n, 'dirty');
      // Its block was written to since it was judged.
      else if (isDoubted(s) || !isClean(frame)) lose(s, n, 'diskChanged');
      else if (isDouble(s, n)) lose(s, n, 'duplicate');
    });
    Object.assign(s, { phase: 'running', isChanged: false });
  };
  const claim = (s: WarmCache, id: number, n: number): void => {
    const [frame, { block, generation }] = [s.frames[n]!, s.pages[id]!];
    if (isDoubted(s)) s.refused = ['diskChanged'];
    else if (frame.generation !== generation && !has('generation')) s.refused = ['generation'];
    else if (!isClean(frame)) s.refused = ['dirty'];
    else if (frame.block !== block && frame.block >= 0 && !has('blockCheck')) s.refused = ['staleBlock'];
    else s.taken = n;
    if (s.taken < 0) name(s, n, -1);
    frame.isKept = false;
  };
  const place = (s: WarmCache, id: number, block: number): void => void (s.pages[id]!.block = block);
  const unlink = (s: WarmCache, id: number): void => void (s.pages[id] = { block: -1, generation: 1 });
  const writeElsewhere = (s: WarmCache, block: number): void => {
    s.disk[block] = fresh(s);
    s.isChanged = true;
  };

  /** A kept frame of the page, of this generation where there is one. */
  const isFound = (s: WarmCache, id: number, n: number): boolean => {
    const [frame, { block, generation }] = [s.frames[n]!, s.pages[id]!];
    const isExact = (it: Frame): boolean => it.isKept && it.page === id && it.generation === generation;
    return block >= 0 && frame.isKept && frame.page === id && (isExact(frame) || !s.frames.some(isExact));
  };

  // Who may do what.
  type When = (s: WarmCache, x: number, y: number) => boolean;
  type Do = (s: WarmCache, x: number, y: number) => void;
  const step = (each: number[][], when: When, change: Do): Step<WarmCache> => ({
    each,
    when: (s, each) => when(s, ...(each as [number, number])),
    do: (s, each) => {
      Object.assign(s, { taken: -1, refused: [] });
      change(s, ...(each as [number, number]));
      settle(s);
    },
  });
  /** A step of the guest. */
  const guest = (each: number[][], when: When, change: Do): Step<WarmCache> =>
    step(each, (s, x, y) => s.phase === 'running' && when(s, x, y), change);
  const [frames, blocks] = [pairs(upTo(size.frames)), pairs(upTo(size.blocks))];
  const [pages, transfers] = [pairs(upTo(size.pages), [-1]), pairs(upTo(size.transfers))];
  const io = pairs(upTo(size.frames), upTo(size.blocks));
  const refusals = REFUSALS.filter((why) => size.frames > 1 || why !== 'duplicate');
  const isAny = (): boolean => true;
  const mayStore: When = ({ phase }) => phase === 'running' || (phase !== 'dead' && has('revokeFirst'));
  const mayBegin: When = (s, n) => s.transfers.length < size.transfers && count(s, n) < 2;
  const isUnused: When = (s, id, b) => s.pages[id]!.block < 0 && s.pages.every(({ block }) => block !== b);
  const isDrained = (s: WarmCache): boolean => s.transfers.length === 0 || has('drain');

  return {
    initial: {
      frames: frames.map(blank),
      disk: upTo(size.blocks).map((block) => block + 1),
      pages: pages.map((_, id) => ({ block: id < Math.max(size.blocks - 1, 1) ? id : -1, generation: 0 })),
      ...{ transfers: [], phase: 'running', isChanged: false, taken: -1, refused: [] },
    },
    actors: {
      guest: {
        read: guest(io, mayBegin, (s, n, block) => begin(s, n, block, false)),
        write: guest(io, mayBegin, (s, n, block) => begin(s, n, block, true)),
        store: step(frames, mayStore, store),
        name: guest(pairs(upTo(size.frames), upTo(size.pages)), isAny, name),
        erase: guest(frames, isAny, (s, n) => name(s, n, -1)),
        claim: guest(pairs(upTo(size.pages), upTo(size.frames)), isFound, claim),
      },
      files: {
        truncate: guest(pages, (s, id) => s.pages[id]!.block >= 0, place),
        place: guest(pairs(upTo(size.pages), upTo(size.blocks)), isUnused, place),
        unlink: guest(pages, (s, id) => s.pages[id]!.generation === 0, unlink),
      },
      drive: {
        move: step(transfers, (s, at) => s.transfers[at]?.hasMoved === false, move),
        end: step(transfers, (s, at) => s.transfers[at]?.hasMoved === true, end),
        fail: step(transfers, (s, at) => s.transfers[at]?.hasMoved === false, end),
      },
      elsewhere: {
        write: step(blocks, isAny, writeElsewhere),
      },
      hypervisor: {
        judge: step(pairs([0]), (s) => s.phase === 'dead' && isDrained(s), judge),
        leave: step(pairs([0]), (s) => s.phase === 'running' && isDrained(s), leave),
        rebuild: step(pairs([0]), (s) => s.phase === 'judged', rebuild),
      },
    },
    events: {
      crash: {
        survives: ['frames', 'disk', 'pages', 'transfers', 'isChanged'],
        when: (s) => s.phase === 'running',
        then: (s) => void (s.phase = 'dead'),
      },
      /** The machine is reset and keeps its memory. Another hypervisor boots the next guest. */
      reset: {
        survives: ['frames', 'disk', 'pages', 'isChanged'],
        when: (s) => s.phase === 'left',
        then: (s) => {
          // The next hypervisor drops the second frame of a name before anything is counted.
          for (const [n] of frames) if (isDouble(s, n!)) s.frames[n!] = blank();
          rebuild(s);
          settle(s);
        },
      },
    },
    laws: {
      always: {
        takeover: ({ taken, frames: of, pages: at, disk }) =>
          taken < 0 || of[taken]!.bytes === disk[at[of[taken]!.page]!.block],
        'one generation': ({ taken, frames: of, pages: at }) =>
          taken < 0 || of[taken]!.generation === at[of[taken]!.page]!.generation,
        drained: (s) => s.transfers.length === 0 || (s.phase !== 'judged' && s.phase !== 'left'),
        'one frame': (s) => {
          const kept = s.frames.filter(({ isKept }) => isKept && s.phase === 'running');
          return new Set(kept.map(({ page, generation }) => page * 2 + generation)).size === kept.length;
        },
      },
      sometimes: {
        'a page is taken over': ({ taken }) => taken >= 0,
        ...Object.fromEntries(refusals.map((why) => [`refused: ${why}`, ({ refused }) => refused.includes(why)])),
      },
    },
  };
}

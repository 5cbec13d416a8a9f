/**
 * A record that an older and a newer version of a program read and write. 137 lines of code.
 *
 * The record keeps a region of memory over a restart of the program. The newer version adds an
 * order in a field that was reserved, and a flag that changes what the frame means. It also adds a
 * word at the end. The older version has to refuse what it would misread, and may use the rest.
 * The record and the region survive each restart, and nothing else does.
 *
 * Scope: six frames, one record. Any number of restarts, upgrades and downgrades.
 */

// In a project of your own: from 'stillwarm/protocol'.
import { type ProtocolFault as Fault, type Model, protocol } from '../../src/lab/protocol/index.ts';

/** A region of memory that is kept for the next program: one page, or two with order 1. */
interface Region {
  frame: number;
  order: number;
  /** Whether the frame holds a list of the pages, instead of being one of them. */
  isList: boolean;
  /** The NUMA node; 0 for none. */
  node: number;
}

interface State {
  version: number;
  program: 'starting' | 'running' | 'refusing';
  /** The region as the program knows it. */
  known: Region;
  /** The region that was stored last, and by which version: the oracle. */
  kept: Region & { by: number };
  /** The record: words in use, and the words. The older version knows neither order nor node. */
  record: { length: number; frame: number; flags: number; order: number; node: number };
  /** Words that a reader has written behind its buffer. */
  overrun: number;
  /** Frames that the program has given away. */
  given: boolean[];
}

const fault = (what: string, breaks: string, within: number): Fault => ({ what, breaks, within });
const MEANS = 'A record that is accepted means what was written';
const OWNED = 'A page that is kept is not given away';
const [FRAMES, IS_LIST] = [6, 1];
/** Words of a record in each version. */
const LENGTH = [0, 3, 4];
/** Regions by name. */
const REGIONS: Record<string, Region> = {};
for (const node of [0, 1, 2])
  for (let frame = 0; frame < FRAMES; frame++) {
    const on = node === 0 ? '' : ` on node ${node}`;
    REGIONS[`frame ${frame}${on}`] = { frame, order: 0, isList: false, node };
    REGIONS[`list in frame ${frame}${on}`] = { frame, order: 0, isList: true, node };
    if (frame % 2 === 0) REGIONS[`frames ${frame} and ${frame + 1}${on}`] = { frame, order: 1, isList: false, node };
  }
/** Whether the older version knows such regions. */
const isOlder = ({ order, isList, node }: Region): boolean => order === 0 && !isList && node === 0;
const covers = (region: Region, frame: number): boolean => frame >> region.order === region.frame >> region.order;
const NONE: Region = { frame: -1, order: 0, isList: false, node: 0 };

export default protocol({
  name: 'record-versions',
  what: 'A program keeps a region of memory in a record, which an older or newer version of it reads.',
  faults: {
    reservedIgnored: fault('The older version does not reject a reserved field that is set.', MEANS, 5),
    flagIgnored: fault('The older version ignores a flag that changes what the frame means.', MEANS, 5),
    newMeaning: fault('The newer version stores an address where the older one stores a frame number.', MEANS, 4),
    lengthTaken: fault('The older version copies as many words as the record says.', 'A copy ends in its buffer', 5),
    lengthIgnored: fault('The newer version reads words that an older one has not written.', MEANS, 8),
    refusedIsFree: fault('A version that refuses a record takes its pages for free.', OWNED, 6),
  },
  build(has): Model<State> {
    const read = (s: State): void => {
      const { record, version } = s;
      const own = LENGTH[version]!;
      if (record.length > own && has('lengthTaken')) s.overrun = record.length - own;
      s.program = 'running';
      if (record.length === 0) return;
      if (version === 1 && record.order !== 0 && !has('reservedIgnored')) s.program = 'refusing';
      if (version === 1 && record.flags !== 0 && !has('flagIgnored')) s.program = 'refusing';
      if (s.program === 'refusing') return;
      s.known = { frame: record.frame, order: 0, isList: false, node: 0 };
      if (version === 1) return;
      if (has('newMeaning')) s.known.frame = record.frame >> 12;
      s.known.order = record.order;
      s.known.isList = (record.flags & IS_LIST) !== 0;
      if (record.length >= own || has('lengthIgnored')) s.known.node = record.node;
    };
    const store = {
      each: Object.keys(REGIONS),
      when: (s: Readonly<State>, name: string) =>
        s.program === 'running' &&
        (s.version === 2 || isOlder(REGIONS[name]!)) &&
        !s.given.some((isGiven, frame) => isGiven && covers(REGIONS[name]!, frame)),
      do(s: State, name: string) {
        const { version, record } = s;
        const region = REGIONS[name]!;
        s.known = { ...region };
        s.kept = { ...region, by: version };
        Object.assign(record, { length: LENGTH[version], frame: region.frame, flags: region.isList ? IS_LIST : 0 });
        record.order = region.order;
        if (version === 1) return;
        record.node = region.node;
        if (has('newMeaning')) record.frame <<= 12;
      },
    };
    return {
      initial: {
        ...{ version: 1, program: 'starting', known: NONE, kept: { ...NONE, by: 0 }, overrun: 0 },
        record: { length: 0, frame: 0, flags: 0, order: 0, node: 0 },
        given: Array.from({ length: FRAMES }, () => false),
      },
      actors: {
        program: {
          'reads the record': { when: (s) => s.program === 'starting', do: read },
          'stores a region': store,
          'gives away page': {
            each: FRAMES,
            when: (s, frame: number) =>
              (s.program === 'running' || (s.program === 'refusing' && has('refusedIsFree'))) &&
              !s.given[frame] &&
              !covers(s.known, frame),
            do: (s, frame: number) => void (s.given[frame] = true),
          },
          'takes back page': {
            each: FRAMES,
            when: (s, frame: number) => s.given[frame]!,
            do: (s, frame: number) => void (s.given[frame] = false),
          },
        },
      },
      events: {
        'the program is restarted': { survives: ['version', 'kept', 'record'], most: Infinity },
        'the program is upgraded': {
          survives: ['kept', 'record'],
          most: Infinity,
          when: ({ version }) => version === 1,
          then: (s) => void (s.version = 2),
        },
        'the program is downgraded': {
          survives: ['kept', 'record'],
          most: Infinity,
          when: ({ version }) => version === 2,
          then: (s) => void (s.version = 1),
        },
      },
      laws: {
        always: {
          [MEANS]: ({ program, version, known, kept }) =>
            program !== 'running' ||
            (known.frame === kept.frame &&
              known.order === kept.order &&
              known.isList === kept.isList &&
              (version === 1 || known.node === kept.node)),
          'A copy ends in its buffer': ({ overrun }) => overrun === 0,
          [OWNED]: ({ kept, given }) => !given.some((isGiven, frame) => isGiven && covers(kept, frame)),
        },
        sometimes: {
          'A region outlives an upgrade': (s) => s.version === 2 && s.known.frame >= 0 && s.kept.by === 1,
          'A region outlives a downgrade': (s) => s.version === 1 && s.known.frame >= 0 && s.kept.by === 2,
        },
        done: ({ program }) => program === 'refusing',
      },
    };
  },
});

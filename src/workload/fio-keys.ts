/**
 * The keys of fio's job files that this program obeys, with the value that each has by default. A
 * key that is not here is refused.
 */

import {
  BLOCKS,
  BYTES,
  DISTRIBUTION,
  duration,
  FLAG,
  integer,
  oneOf,
  PATH,
  PATHS,
  RATES,
  SIZE,
  type FioKind,
} from './fio-values.ts';

/** A key of a job file. */
export interface FioKey<T> {
  /** Its name in a file, and others that fio has for it. */
  readonly names: readonly [string, ...string[]];
  readonly kind: FioKind<T>;
  readonly otherwise: T;
  /** What it does, for the reference. */
  readonly help: string;
}

const key = <T>(names: FioKey<T>['names'], kind: FioKind<T>, otherwise: T, help: string): FioKey<T> => ({
  names,
  kind,
  otherwise,
  help,
});

export const RW = ['read', 'write', 'randread', 'randwrite', 'rw', 'randrw'] as const;
export const ENGINES = ['psync', 'sync', 'libaio', 'posixaio', 'io_uring'] as const;

/** Processes of one job file at most. */
export const PROCESSES_MAX = 1024;
const BLOCK = { least: 4096, most: 4096 };

/** By the name of the field. */
export const FIO_KEYS = {
  rw: key(['rw', 'readwrite'], oneOf(RW, { readwrite: 'rw' }), 'read', 'What is done, in order or at random places.'),
  bs: key(
    ['bs', 'blocksize', 'bsrange', 'blocksize_range'],
    BLOCKS,
    { read: BLOCK, write: BLOCK },
    'Size of a block. Of a range, each size is a multiple of the least one.',
  ),
  size: key(
    ['size'],
    SIZE,
    undefined,
    'What a pass of one clone reads and writes, in all its files together. By default all of its files, which are on the disk then.',
  ),
  filesize: key(
    ['filesize'],
    BYTES,
    undefined,
    'Bytes of each file. By default the size, divided by the number of files.',
  ),
  nrfiles: key(
    ['nrfiles', 'nr_files'],
    integer(1, 1000),
    1,
    'Files of each clone. They take turns, operation by operation.',
  ),
  filename: key<readonly string[]>(
    ['filename'],
    PATHS,
    [],
    'The files, the same for all clones. By default each clone has its own, `NAME.CLONE.NUMBER`.',
  ),
  directory: key(['directory'], PATH, '/', 'Where the files lie. It is made if needed.'),
  numjobs: key(['numjobs'], integer(1, PROCESSES_MAX), 1, 'Clones of the job, each a thread of the guest.'),
  iodepth: key(
    ['iodepth'],
    integer(1, PROCESSES_MAX),
    1,
    'Operations of a clone under way at once, with an asynchronous engine. In the model: so many processes that share the place in the file. With `sync` and `psync` it is 1, as in fio.',
  ),
  ioengine: key(
    ['ioengine'],
    oneOf(ENGINES),
    'psync',
    '`sync` and `psync` do one operation at a time, the others up to `iodepth`. They differ in nothing else.',
  ),
  rwmixread: key(
    ['rwmixread'],
    integer(0, 100),
    50,
    'Percent of the operations of `rw` and `randrw` that read. `rwmixwrite` is the rest.',
  ),
  distribution: key(
    ['random_distribution'],
    DISTRIBUTION,
    { kind: 'random' },
    'Of random places. All but `random` hit a block more than once.',
  ),
  norandommap: key(['norandommap'], FLAG, false, 'Random places may repeat. By default a pass hits each block once.'),
  randrepeat: key(['randrepeat'], FLAG, true, 'Each of the four runs has the same places. With 0 they differ.'),
  randseed: key(['randseed'], integer(0, 0xffff_ffff), 0, 'Mixed into the seed of the run.'),
  fsync: key(['fsync'], integer(0, 1e9), 0, 'An fsync after so many writes of a clone; 0: none.'),
  fdatasync: key(['fdatasync'], integer(0, 1e9), 0, 'The same with fdatasync.'),
  endFsync: key(['end_fsync'], FLAG, false, 'An fsync of each file at the end of a clone that writes.'),
  overwrite: key(['overwrite'], FLAG, false, 'Files that are only written are laid out, too. By default they grow.'),
  direct: key(['direct'], FLAG, false, 'Past the page cache (O_DIRECT). Blocks are multiples of 4096 then.'),
  invalidate: key(
    ['invalidate'],
    FLAG,
    false,
    'Drops the clean cached pages of its files before a clone begins. In fio the default is 1, with which no cache would be warm.',
  ),
  fadviseHint: key(
    ['fadvise_hint'],
    FLAG,
    true,
    'Advises the kernel of sequential or random reading, and so of readahead.',
  ),
  runtime: key(['runtime'], duration('s'), 0, 'A clone begins no operation after this time; 0: there is no limit.'),
  timeBased: key(['time_based'], FLAG, false, 'Passes are repeated until `runtime`, which must be given.'),
  loops: key(['loops'], integer(1, 1e6), 1, 'Passes of a clone.'),
  startDelay: key(['startdelay'], duration('s'), 0, 'A clone begins so much later.'),
  thinkTime: key(['thinktime'], duration('us'), 0, 'A clone waits so long after each `thinktime_blocks` operations.'),
  thinkBlocks: key(['thinktime_blocks'], integer(1, 1e9), 1, 'Operations between two waits.'),
  rateIops: key(['rate_iops'], RATES, { read: 0, write: 0 }, 'Operations that a clone begins in a second at most.'),
  stonewall: key(
    ['stonewall', 'wait_for_previous'],
    FLAG,
    false,
    'The job begins when all that stand before it in the file have ended.',
  ),
  thread: key(['thread'], FLAG, false, 'Changes nothing: clones share the memory of the guest in any case.'),
  groupReporting: key(
    ['group_reporting'],
    FLAG,
    false,
    'The clones of a job have one result. By default each has its own.',
  ),
} as const;

/** The field that a name in a file stands for; undefined: the key is refused. */
export function fieldOf(name: string): keyof typeof FIO_KEYS | undefined {
  return FIELDS.get(name);
}

const FIELDS = new Map(
  Object.entries(FIO_KEYS).flatMap(([field, { names }]) =>
    names.map((name) => [name, field as keyof typeof FIO_KEYS] as const),
  ),
);

/** The values of a job. Times are ns. */
export type FioValues = {
  readonly [Field in keyof typeof FIO_KEYS]: (typeof FIO_KEYS)[Field] extends FioKey<infer T> ? T : never;
};

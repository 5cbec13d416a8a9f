/** What `stillwarm reboot` answers: the definition of the object that `--json` prints. */

import { POLICIES } from '../../kernel/index.ts';
import { Type } from 'typebox';
import { ARCHS } from '../../base/arch.ts';
import type { ReasonName } from '../../xen/public/reason.ts';
import type { RecencyState } from '../../xen/index.ts';
import { ALL_WORKLOADS } from './options.ts';
import { BACKENDS } from '../host/backend.ts';
import { DISKS } from '../host/profiles.ts';
import { STRATEGIES, type StrategyName } from '../host/strategies.ts';
import {
  boolean,
  count,
  integer,
  kind,
  list,
  many,
  object,
  one,
  oneOf,
  oneOrNull,
  orNull,
  result,
  text,
  type Described,
} from './schema.ts';

export const Setting = kind('setting', 'A constant that was given another value.', {
  constant: text('Section and name of the constant.'),
  value: Type.Number({ description: 'Its value, in its unit.' }),
});

/** What the results of all experiments begin with. */
/** Of experiments whose guests may have another policy. */
export const POLICY_OF_GUESTS = {
  policy: Type.Optional(
    oneOf("What the guests' kernels replaced and read ahead; not there: as Linux 2.6.12 does.", POLICIES),
  ),
};

/** Of experiments whose drive may have a limit. */
export const LIMIT_OF_DRIVE = {
  diskLimit: Type.Optional(
    object('What the drive did a second at most: `--disk-limit`; not there: no limit.', {
      iops: Type.Optional(Type.Number({ description: 'Operations.', exclusiveMinimum: 0 })),
      mbps: Type.Optional(Type.Number({ description: 'MB (10^6 bytes).', exclusiveMinimum: 0 })),
      burst: Type.Optional(
        Type.Number({
          description: 'Seconds of the limit that an idle drive took at once; not there: 0.1.',
          minimum: 0,
        }),
      ),
    }),
  ),
};

export const COMMON = {
  seed: Type.Integer({ description: 'Seed of everything random.', minimum: 0, maximum: 0xffff_ffff }),
  digest: Type.String({
    description: 'Digest of all runs: equal inputs and seed give an equal digest.',
    pattern: '^[0-9a-f]{16}$',
  }),
  profile: text('Costs of the machine: the name of a profile.'),
  profileConstants: Type.Optional(many('With a profile of the user: its constants.', Setting)),
  arch: oneOf('Architecture of the machine: how wide numbers of frames are.', ARCHS),
  disk: oneOf('Service times of the drive; profile: the drive of the profile.', DISKS),
  set: many('Constants of the profile that were given another value: `--set`.', Setting),
};

export const FITTED = list(
  "Constants of the profile, used here, that were fitted to the paper's figures.",
  Type.String(),
);

export const VERIFIED = object('What was compared with the disk.', {
  pages: count('Pages compared with the disk.'),
  bytes: count('Bytes compared with the disk.'),
  mismatches: count('Pages or reads that differed; a sound run has 0.'),
});

export const Domain0Result = kind('domain0', "What domain 0's page cache did over a whole run.", {
  pagesHit: count('Pages that guests read and that were cached, or on their way from the drive.'),
  pagesMissed: count('Pages that guests read and that were not.'),
  pagesRead: count('Pages read from the drive, ahead or not.'),
  pagesStored: count('Pages that guests wrote, each time that they did.'),
  pagesWritten: count('Pages written to the drive.'),
  pagesLost: count('Pages that a reset lost before they were written.'),
});

/** Of a strategy. */
export const DOMAIN0 = oneOrNull("Domain 0's page cache; null where guests have partitions.", Domain0Result);

const RECENCY = ['told', 'untold', 'damaged'] as const satisfies readonly RecencyState[];

export const REFUSED = {
  ok: count('Always 0: not refused.'),
  absent: count('No page of that name was kept.'),
  dirty: count('Named, but the hypervisor did not vouch for the contents.'),
  inFlight: count('A read or a write of the frame was in flight when the domain died.'),
  staleBlock: count('Equals a block that the file system no longer maps there.'),
  generation: count('The inode was deleted and reused.'),
  checksum: count("The frame's bytes do not match their CRC-32C."),
  corruptRecord: count('The frame record does not match its check word.'),
  duplicate: count('Another record of the same name came first.'),
  bootRegion: count('The page lies in the boot region of the new domain.'),
  memoryShrank: count('The new domain is too small to have a page of this number.'),
  badTable: count('The table as a whole did not parse.'),
  badP2m: count("The domain's P2M list did not parse."),
  released: count('Given back unclaimed.'),
  notAsked: count('The restart was asked to keep nothing.'),
  ioError: count('Dirty, and the disk did not accept the write.'),
  otherDisk: count("The domain's disk is not the one from which the page was read."),
  diskChanged: count('The disk, or this block of it, was written to from elsewhere.'),
} satisfies Record<ReasonName, unknown>;

export const FioLatency = kind('latency', 'Times of the reads or writes of a job, from call to return, virtual ns.', {
  meanNs: count('Mean.'),
  p50Ns: count('Median, by nearest rank.'),
  p99Ns: count('99th percentile, by nearest rank.'),
  mostNs: count('The longest.'),
});
export type FioLatency = Described<typeof FioLatency>;

export const FioFigures = kind('job', 'What a job of fio did in one run.', {
  name: text('Name of the job, with `.` and the number of the clone where clones report alone; or `all jobs`.'),
  reads: count('Reads that have ended.'),
  writes: count('Writes that have ended.'),
  readBytes: count('Bytes read.'),
  writtenBytes: count('Bytes written.'),
  hits: count('Reads that the page cache answered, with pages kept over the reboot: they waited for no disk.'),
  ns: count('From the first start of a clone to the last end, virtual ns.'),
  readLatency: oneOrNull('Of reads; null when there was none.', FioLatency),
  writeLatency: oneOrNull('Of writes; null when there was none.', FioLatency),
});
export type FioFigures = Described<typeof FioFigures>;

export const FioRun = kind('jobs', 'What the jobs of a job file did in one run.', {
  all: one('All jobs together.', FioFigures),
  jobs: many('Each clone of each job, in the order of the file; clones with `group_reporting` together.', FioFigures, {
    minItems: 1,
  }),
});
export type FioRun = Described<typeof FioRun>;

export const RunResult = kind('run', 'One run of the workload.', {
  phase: oneOf('Before or after the reboot.', ['before', 'after']),
  number: oneOf('Which run of the phase.', [1, 2]),
  bytes: count('Bytes read; with the workload fio, read and written.'),
  ns: count('Virtual ns.'),
  fio: Type.Optional(one('With the workload fio: what its jobs did.', FioRun)),
});
export type RunResult = Described<typeof RunResult>;

export const Boot = kind('boot', "A guest's boot, from its kernel's first instruction until its services run.", {
  ns: count('Virtual ns.'),
  bytes: count("Bytes that the services read to start; 0 when the guest's disk does not list any."),
  pagesRead: count('File and metadata pages read from the disk.'),
  pagesReused: count('Pages taken over from before the reboot.'),
});
export type Boot = Described<typeof Boot>;

export const Sample = kind('sample', 'Bytes read in an interval of time.', {
  startNs: integer('Virtual ns from the start of the reboot; negative before it.'),
  ns: count('Length, virtual ns.', 1),
  bytes: count('Bytes read meanwhile.'),
});
export type Sample = Described<typeof Sample>;

export const StrategyResult = kind('strategy', 'What one strategy of reboot gave.', {
  name: oneOf('The strategy.', STRATEGIES),
  runs: many('Before 1, before 2, after 1, after 2.', RunResult, { minItems: 4, maxItems: 4 }),
  rebootNs: count("From the start of the shutdown or the crash to the end of the new guest's boot, virtual ns."),
  boots: object('The boots of both guests.', {
    before: one('Of the first guest, which finds an empty cache.', Boot),
    after: one('Of the guest after the reboot.', Boot),
  }),
  pages: object('Pages of 4096 bytes, those of the boot included.', {
    preserved: count('Pages the hypervisor kept.'),
    reused: count('Kept pages that the new guest took over.'),
    readAgain: count('File and metadata pages read from the disk after the reboot.'),
    refused: object('Pages not kept or not handed over, by reason.', REFUSED),
    recency: oneOf(
      'Whether the old guest told the places of its pages on its LRU lists, and whether this data was valid.',
      RECENCY,
    ),
  }),
  metadataReads: count('Blocks of metadata read from the disk after the reboot.'),
  hypercalls: object('Hypercalls of both guests.', {
    count: count('Hypercalls of both guests.'),
    ns: count('Time spent in them, virtual ns.'),
    share: Type.Number({
      description: "Share of the four runs' time that was spent in them.",
      minimum: 0,
      maximum: 1,
    }),
  }),
  writes: object('What the workload wrote before the reboot; zeros when it only reads.', {
    bytes: count('Bytes that system calls had written before the reboot.'),
    bytesLost: count(
      'Of these, the bytes from the first one on that was not read back after the reboot. With the workload fio: bytes of pages that the disk does not hold after the reboot as they were written.',
    ),
    dirtyPages: count("Pages in the guest's memory, newer than the disk, when it went down."),
    pagesWrittenBack: count('Pages that domain 0 wrote home after the crash.'),
    pagesLost: count('Dirty pages that were not written.'),
  }),
  domain0: DOMAIN0,
  verified: VERIFIED,
  timeline: many('Throughput around the reboot, ascending in time.', Sample),
});
export type StrategyResult = Described<typeof StrategyResult>;

export const CurvePoint = kind('point', "Two reboots over one size of domain 0's page cache.", {
  domain0Cache: count('Bytes that it holds at most; 0: the disk is a partition, and there is none.'),
  coldNs: count('First run after a conventional reboot, virtual ns.'),
  warmNs: count('First run after a warm-cache reboot.'),
  secondNs: count('Second run after a warm-cache reboot.'),
});
export type CurvePoint = Described<typeof CurvePoint>;

export const RebootResult = result(
  'stillwarm/reboot@1',
  'Result of stillwarm reboot --json',
  `Times are virtual: integer nanoseconds of the model, never of the host. Throughput is \`bytes * 1000 / ns\`, in MB/s (10^6
bytes a second). A page is 4096 bytes. The same input, options and seed give the same object, byte for byte.

Histories of pages that differ from the disk are no part of the object. They are printed on standard error, and the exit
status is 1.`,
  {
    ...COMMON,
    ...POLICY_OF_GUESTS,
    ...LIMIT_OF_DRIVE,
    workload: oneOf(
      'How the files are read, and whether a log is written; fio: by the jobs of a job file.',
      ALL_WORKLOADS,
    ),
    fio: Type.Optional(text('With the workload fio: the job file as it was named.')),
    crash: boolean('Whether the guest crashed instead of an orderly reboot.'),
    checksum: boolean('Whether pages were taken over only when their CRC-32C matched.'),
    expire: orNull(
      "Seconds from the start of the new guest's boot after which pages that it had not claimed were given back; null: never.",
      Type.Integer({ minimum: 1 }),
    ),
    memory: count('Guest memory, bytes.', 1),
    backend: oneOf("Whether the guest's disk is a partition of the drive, or a file in domain 0.", BACKENDS),
    domain0Cache: orNull(
      "Bytes that domain 0's page cache holds at most; null where the disk is a partition.",
      Type.Integer({ minimum: 0 }),
    ),
    files: count('Regular files on the disk, a file once for each of its names, without those that a boot reads.'),
    bytes: count('Bytes of these files.'),
    strategies: many('One result a strategy, in the order asked for.', StrategyResult, { minItems: 1 }),
    domain0Curve: many("By size of domain 0's page cache, ascending; empty when it was not asked for.", CurvePoint),
    fitted: FITTED,
  },
  [StrategyResult, RunResult, FioRun, FioFigures, FioLatency, Boot, Domain0Result, Sample, CurvePoint, Setting],
);
export type RebootResult = Described<typeof RebootResult>;

/** A page or a read that differs from the disk: a failed run. */
export interface Mismatch {
  readonly strategy: StrategyName;
  /** What differs and where, in one line. */
  readonly what: string;
  /** Everything that happened to the page, oldest first, a line each. */
  readonly history: readonly string[];
}

/**
 * The commands and their options: one table, from which come the parser (args.ts), the help and the
 * tables of docs/reference/cli.md (help.ts). What an option is called, takes, means and stands for
 * when it is not given is said here only.
 *
 * Longer than other files: it is one table, a row an option.
 */

import { UserError } from '../base/index.ts';
import {
  STRATEGIES_OF_CRASHES,
  STRATEGIES_OF_READERS,
  WORKLOADS,
  type WorkloadName,
} from '../experiment/guest/options.ts';
import { DOMAIN0_CACHE_MIN } from '../domain0/cached-file.ts';
import { BACKENDS } from '../experiment/host/backend.ts';
import { DEFAULT_POLICY, POLICIES } from '../kernel/mm/policy/policies.ts';
import { type DiskLimit, DISKS, PROFILES, type ProfileName } from '../experiment/host/profiles.ts';
import { STRATEGIES } from '../experiment/host/strategies.ts';
import { MOST_DEPTH } from '../experiment/predict/recording.ts';
import { STRATEGIES_OF_TRACES, type Pace, type RebootAt } from '../experiment/predict/options.ts';
import { SAMPLES } from '../experiment/paper/options.ts';
import { guestMemoryMax, MEMORY_MAX } from '../experiment/host/host.ts';
import { VMM_STRATEGIES } from '../experiment/host/strategies.ts';
import { MAX_CLIENTS, SENDING } from '../workload/apache.ts';
import {
  ARRIVALS,
  LOOPS,
  MOST,
  ORDERS,
  STRATEGIES_OF_WEB,
  STRATEGIES_OF_WEB_CRASHES,
} from '../experiment/web/options.ts';
import { CALIBRATE } from './calibrate/options.ts';
import { CHECKS } from './check/options.ts';
import {
  choice,
  choicesOf,
  type CommandSpec,
  flag,
  integer,
  number,
  oneOf,
  type Option,
  type Options,
  path,
  several,
} from './kit/option-kinds.ts';
import { SHOW_PROFILE } from './profile-options.ts';
import { WORKER } from './check/queue-options.ts';
import { READING, CAPTURE, TRACE_COMMANDS } from './trace-options.ts';
import { RESTORE_RATE, TRACE_CURVE, TRACE_RESTORE } from './trace-replay-options.ts';
import { ARCH, HELP, JOBS_MAX, JSON_OUT, SEED } from './kit/shared-options.ts';
import {
  MEMORY_MIN,
  parseChoice,
  parseDiskLimit,
  parseDomain0Cache,
  parseDomain0Curve,
  parseMadeFiles,
  parseMemory,
  parsePercent,
  parseProfileName,
  type ProfileFileName,
  parseRate,
  parseRebootAt,
  parseSettings,
  parseSize,
  sizeText,
} from './kit/values.ts';

const GIB = 1 << 30;
/** What a guest of `vmm-reboot` reads in one run, bytes. */
const VMM_LIMIT = 16 << 20;
/** What clients of `web` ask for at most, bytes. */
export const WEB_LIMIT = 16 << 20;
/** As many digits as the guest's command line takes. */
const EXPIRE_MAX = 999_999;
/** As many as there are records of domains. */
const VMS_MAX = 95;
const PARTITIONS_MAX = 1024;
const SAMPLES_MAX = 10_000;
const PERCENT_MAX = 1000;

const BACKEND = {
  ...choice("what a guest's disk is", BACKENDS, {
    partition: 'a part of the drive, which requests reach without a cache of domain 0',
    file: "a file in domain 0, behind domain 0's page cache (`file:` of Xen 3.0)",
  }),
  more: "Domain 0's cache outlives a guest, and no reset of the machine: see [timing](../explanation/timing.md#a-file-as-a-disk)",
};
const DOMAIN0_CACHE_RANGE = `${sizeText(DOMAIN0_CACHE_MIN)} to ${sizeText(MEMORY_MAX)}`;
const DOMAIN0_CACHE: Option<number | undefined> = {
  value: 'SIZE',
  help: `with --backend file, most that domain 0's page cache holds: ${DOMAIN0_CACHE_RANGE}`,
  parse: parseDomain0Cache,
  otherwise: {
    value: undefined,
    words: "what the profile's machine has besides guests and domain 0's programs, 64MiB at least",
  },
};
const DISK = choice('service times of the drive', DISKS, {
  profile: 'the drive of the profile',
  disk: 'rotating',
  instant: 'no time',
});
const DISK_LIMIT: Option<DiskLimit | undefined> = {
  value: 'iops=N,mbps=N,burst=SECONDS',
  help: 'what the drive does a second at most, as of a throttled or a cloud disk: operations, MB, or both',
  more: 'An idle drive takes at once what `burst` seconds of the limit allow, by default 0.1. Reads that go on where a waiting one ends count as one, up to 256 KiB: see [a drive with a limit](../how-to/describe-your-machine.md#a-drive-with-a-limit)',
  parse: parseDiskLimit,
  otherwise: { value: undefined, words: 'no limit' },
};
const KNOWN_PROFILE = choice('costs of the machine', PROFILES, { 'pentium4-2006': "the paper's" });
/** A profile that is known, or the name of a file. */
const PROFILE: Option<ProfileName | ProfileFileName> = {
  ...KNOWN_PROFILE,
  value: 'NAME|FILE.json',
  help: `${KNOWN_PROFILE.help}, or FILE.json, a profile of your own`,
  more: '[describe your machine](../how-to/describe-your-machine.md) tells how one is made',
  parse: parseProfileName,
};
const SET: Option<Readonly<Record<string, number>> | undefined> = {
  value: 'NAME=VALUE',
  help: 'other values for constants of the profile, comma-separated',
  more: 'The [profiles](profiles.md) have the names, such as `guest.copyNsPerByte`, and their units. One that would change nothing is refused, such as `disk.rpm` with another drive',
  parse: parseSettings,
  otherwise: { value: undefined, words: 'none' },
};
const ARCH_OF_PROFILE = {
  ...ARCH,
  more: '`pentium4-2006` has `x86_32`, `server-2026` has `x86_64`. A machine of `x86_32` has at most 16 GiB: see [numbers of frames](table-layout.md)',
  otherwise: { value: undefined, words: 'that of the profile' },
};
const KERNEL_POLICY = {
  ...oneOf("what the guest's kernel replaces and reads ahead, and how", POLICIES),
  more: '[policies.md](policies.md) describes them',
  otherwise: { value: undefined, words: DEFAULT_POLICY },
};
const MEMORY_RANGE = `whole pages of 4096 bytes, ${sizeText(MEMORY_MIN)} to ${sizeText(MEMORY_MAX)}, on x86_32 to ${sizeText(guestMemoryMax('x86_32'))}`;
const memory = (help: string, more?: string): Option<number> => ({
  value: 'SIZE',
  help: `${help}: ${MEMORY_RANGE}`,
  ...(more === undefined ? {} : { more }),
  parse: parseMemory,
  otherwise: { value: GIB, text: sizeText(GIB) },
});
const LIMIT_OF_DIRECTORY = 'use only the first files of a directory, up to this size';
const REPORT = path('DIR', 'also write DIR/index.html, one self-contained page with charts; DIR is created if needed');
const JOBS = {
  ...integer('N', 'runs at the same time, each in a thread of its own', [1, JOBS_MAX], {
    value: undefined,
    words: 'as many as there are cores, and as free memory allows',
  }),
  more: 'The result does not depend on it. With 1 there is no thread besides that of the program',
};

const BARE_BOOT = flag(
  'put no files on a disk that is made from a directory for boots to read',
  'By default it has the files of a recorded boot of Debian in a directory `.stillwarm-boot`: 53 MB, of which a boot reads 40 MB. An image is taken as it is: `stillwarm mkfs --boot-files` makes one that has them. Domain 0, which reads a disk of its own when it boots, then reads none either',
);

const PARTITION = {
  ...integer('N', 'partition of the image PATH', [1, PARTITIONS_MAX], {
    value: undefined,
    words: 'the first one of ext2, ext3 or ext4',
  }),
  more: 'They are counted as Linux counts them: 1 to 4 are in an MBR itself, 5 and up are its logical ones. See [your own image](../how-to/use-your-own-image.md)',
};

/** Of a reboot of the guest. */
const strategyOfGuest = (prefetch: string, words: string) => ({
  ...several(
    'comma-separated, run in this order',
    STRATEGIES,
    {
      cold: 'conventional reboot',
      prefetch,
      'warm-cache': 'the cached pages of files survive',
      'warm-cache+metadata': "the file system's own blocks survive, too",
      rio: 'dirty pages survive a crash and are written back, the cache is lost',
      'rio+warm-cache': 'both',
    },
    { value: undefined, words },
  ),
  more: 'Those of Rio need `--crash`',
});

/** A file of jobs of fio. */
export interface FioFileName {
  readonly fio: string;
}

const FIO = 'fio:';

const workloadOf = (meanings: Readonly<Record<WorkloadName, string>>): Option<WorkloadName | FioFileName> => {
  const fixed = choice('how files are read, and a log written', WORKLOADS, meanings);
  return {
    ...fixed,
    value: 'NAME|fio:FILE',
    help: `${fixed.help}, or fio:FILE, the jobs of a job file of fio`,
    more: 'Of the keys of a job file, [these are known](../how-to/run-fio-jobs.md#the-keys)',
    parse: (option, text) => {
      if (!text.startsWith(FIO)) return fixed.parse(option, text);
      if (text.length === FIO.length) throw new UserError(`--${option}: expected the name of a job file behind fio:`);
      return { fio: text.slice(FIO.length) };
    },
  };
};

export const REBOOT = {
  name: 'reboot',
  positionals: [{ name: 'PATH', optional: true }],
  summary: 'read the files of PATH in a guest, reboot it, read them again; print what each strategy of reboot buys',
  options: {
    memory: memory('guest memory'),
    disk: DISK,
    'disk-limit': DISK_LIMIT,
    profile: PROFILE,
    set: SET,
    arch: ARCH_OF_PROFILE,
    policy: KERNEL_POLICY,
    strategy: strategyOfGuest(
      'conventional, files read ahead after boot',
      `${STRATEGIES_OF_READERS.join(', ')}; with --crash --workload log: ${STRATEGIES_OF_CRASHES.join(', ')}`,
    ),
    backend: BACKEND,
    'domain0-cache': DOMAIN0_CACHE,
    'domain0-curve': {
      value: 'SIZES',
      help: `also run cold and warm-cache with disks that are files, at each of these sizes of domain 0's page cache, comma-separated: ${DOMAIN0_CACHE_RANGE}, or 0 for a partition`,
      more: 'It is printed as a curve: a hypothesis for two figures of the paper, see [threats to validity](../explanation/threats-to-validity.md)',
      parse: parseDomain0Curve,
      otherwise: { value: undefined, words: 'none' },
    },
    workload: workloadOf({
      files: 'all files in order',
      random: '4 KiB reads at random places',
      zipf: "whole files, chosen by Zipf's law",
      log: 'all files in order, and after each a line at the end of a log, never synced; the report says how much of it is read back',
    }),
    seed: SEED,
    limit: {
      value: 'SIZE',
      help: `read at most this much in one run; ${LIMIT_OF_DIRECTORY}`,
      more: 'The files are in the order of their names. The last one is cut, and nothing behind it is opened',
      parse: parseSize,
      otherwise: { value: undefined, words: 'no limit' },
    },
    crash: flag('crash the guest (nothing is flushed) instead of an orderly reboot'),
    checksum: flag(
      'record a CRC-32C of each page that is vouched for, and check it before the page is taken over',
      'It costs time',
    ),
    expire: {
      ...integer(
        'SECONDS',
        'give back pages that the new guest has not claimed this long after its boot began',
        [1, EXPIRE_MAX],
        { value: undefined, words: 'never' },
      ),
      more: 'They count as refused: given back',
    },
    partition: PARTITION,
    'bare-boot': BARE_BOOT,
    jobs: JOBS,
    json: JSON_OUT('reboot-schema.md'),
    report: REPORT,
    'dump-memory': {
      ...path('FILE', "write the machine's memory between the old guest and the new to FILE"),
      more: 'FILE is replaced if it exists',
    },
    help: HELP,
  },
} as const satisfies CommandSpec;

export const VMM_REBOOT = {
  name: 'vmm-reboot',
  positionals: [{ name: 'PATH', optional: true }],
  summary:
    'reboot the hypervisor under guests that read the files of PATH; print what each strategy takes, how long services are down, and the figures of the paper beside it',
  options: {
    vms: integer('N', 'guests', [1, VMS_MAX], { value: 1, text: '1' }),
    memory: memory(
      'memory of each guest',
      'All guests together have no more memory than one guest of `reboot` may have',
    ),
    strategy: several(
      'comma-separated, run in this order',
      VMM_STRATEGIES,
      {
        'warm-vm': 'guests are suspended on memory and go on',
        'save-restore': 'they are saved to the disk and restored',
        'live-migration': 'they go to a second machine while they run, and come back',
        'shutdown-boot': 'they are shut down and booted, cold',
        'warm-cache': 'the same, and the cached pages of their files are kept',
        'warm-cache+metadata': "the file systems' own blocks are kept, too",
      },
      { value: VMM_STRATEGIES, words: 'all' },
    ),
    single: flag(
      'only this machine, without the series over memory sizes and numbers of guests',
      'The series are one guest of 256MiB, 512MiB, 1GiB and 2GiB, and 1 to 6 guests of 256MiB',
    ),
    disk: DISK,
    profile: PROFILE,
    set: SET,
    arch: ARCH_OF_PROFILE,
    backend: BACKEND,
    'domain0-cache': DOMAIN0_CACHE,
    seed: SEED,
    limit: {
      value: 'SIZE',
      help: `each guest reads at most this much in one run; ${LIMIT_OF_DIRECTORY}`,
      parse: parseSize,
      otherwise: { value: VMM_LIMIT, text: sizeText(VMM_LIMIT) },
    },
    partition: PARTITION,
    'bare-boot': BARE_BOOT,
    jobs: JOBS,
    json: JSON_OUT('vmm-reboot-schema.md'),
    report: REPORT,
    help: HELP,
  },
} as const satisfies CommandSpec;

export const WEB = {
  name: 'web',
  positionals: [{ name: 'PATH', optional: true }],
  summary:
    'serve the files of PATH from a guest to clients on the network, reboot it while they ask; print what each strategy of reboot costs the service, and the figures of the paper beside it',
  options: {
    memory: memory('guest memory'),
    disk: DISK,
    'disk-limit': DISK_LIMIT,
    profile: PROFILE,
    set: SET,
    arch: ARCH_OF_PROFILE,
    policy: KERNEL_POLICY,
    strategy: strategyOfGuest(
      'conventional, the files that were served are read ahead after boot',
      `${STRATEGIES_OF_WEB.join(', ')}; with --crash also ${STRATEGIES_OF_WEB_CRASHES.at(-1)}`,
    ),
    backend: BACKEND,
    'domain0-cache': DOMAIN0_CACHE,
    crash: flag('crash the guest (nothing is flushed) instead of an orderly reboot'),
    loop: choice('how clients ask while the guest is rebooted', LOOPS, {
      open: 'at a rate, whatever becomes of the requests',
      closed: 'each client waits for its answer, thinks, and asks again',
    }),
    rate: number('R', 'open loop: requests a second', ['more than 0', MOST.rate], { value: undefined, words: '100' }),
    arrivals: {
      ...choice('open loop: when requests are sent', ARRIVALS, {
        constant: 'at equal distances',
        poisson: 'independently of each other',
      }),
      otherwise: { value: undefined, words: ARRIVALS[0] },
    },
    connections: integer('N', 'clients of the measured runs and of the closed loop', [1, MOST.clients], {
      value: 10,
      text: '10',
    }),
    think: number('SECONDS', 'closed loop: between an answer and the next request', ['0', MOST.seconds], {
      value: undefined,
      words: '0',
    }),
    timeout: number('SECONDS', 'how long a client waits for its answer', ['more than 0', MOST.seconds], {
      value: 5,
      text: '5',
    }),
    files: choice('which files are asked for while the guest is rebooted', ORDERS, {
      zipf: "chosen by Zipf's law",
      once: 'in order, each once, then from the first one again',
    }),
    alpha: number('A', "exponent of Zipf's law", ['0', MOST.exponent], { value: undefined, words: '1' }),
    sizes: {
      value: 'COUNTxSIZE',
      help: 'serve files that are made, so many of one size, instead of those of PATH',
      more: `For example \`1000x64KiB\`; ${sizeText(MOST.bytes)} in all, at most`,
      parse: (option, text) => parseMadeFiles(option, text, MOST),
      otherwise: { value: undefined, words: 'none' },
    } satisfies Option<{ count: number; size: number } | undefined>,
    workers: integer('N', 'processes of the server', [1, MOST.workers], {
      value: MAX_CLIENTS,
      text: `${MAX_CLIENTS}`,
    }),
    send: choice('how files go to clients', SENDING, {
      sendfile: 'from the page cache',
      read: 'through a buffer of the server',
    }),
    'prefetch-rate': {
      value: 'SIZE',
      help: 'prefetch reads at most this much a second',
      parse: parseSize,
      otherwise: { value: undefined, words: 'no limit' },
    },
    before: integer('SECONDS', 'measure the service so long before the reboot', [1, MOST.seconds], {
      value: 30,
      text: '30',
    }),
    after: integer('SECONDS', 'measure the service so long after the boot', [1, MOST.seconds], {
      value: 40,
      text: '40',
    }),
    seed: SEED,
    limit: {
      value: 'SIZE',
      help: `ask for at most this much of PATH; ${LIMIT_OF_DIRECTORY}; --sizes says itself how much there is`,
      more: 'The files are in the order of their names. The last one may be cut',
      parse: parseSize,
      otherwise: {
        value: undefined,
        words: sizeText(WEB_LIMIT),
      },
    },
    partition: PARTITION,
    'bare-boot': BARE_BOOT,
    jobs: JOBS,
    json: JSON_OUT('web-schema.md'),
    report: REPORT,
    help: HELP,
  },
} as const satisfies CommandSpec;

export const PREDICT = {
  name: 'predict',
  positionals: [{ name: 'TRACE' }],
  summary:
    'replay a trace of a program or a disk in a guest, reboot it in the middle, go on; print how long it is slow then, and what a warm cache saves',
  options: {
    memory: memory('guest memory', 'What the traced machine had, of which programs themselves use some'),
    'reboot-at': {
      value: 'TIME|FRACTION',
      help: 'when the guest is rebooted: a time of the trace, such as 30s or 5m, or a share of its operations',
      parse: parseRebootAt,
      otherwise: { value: { fraction: 0.5 }, text: '0.5' },
    } satisfies Option<RebootAt>,
    ...READING,
    rate: {
      value: 'RATE',
      help: 'when operations are asked: asfast, recorded, or xN for N times as fast as recorded',
      choices: {
        asfast: 'each thread asks as soon as its operation before has ended',
        recorded: 'no operation before its time; those that were due while the guest was down are late',
      },
      more: '`x10` asks ten times as fast as recorded, `x0.5` half as fast',
      parse: parseRate,
      otherwise: { value: undefined, words: 'recorded where the trace tells times, else asfast' },
    } satisfies Option<{ readonly pace: Pace; readonly speed: number } | undefined>,
    depth: {
      ...integer('N', 'requests of a trace of devices that may be under way at once', [1, MOST_DEPTH], {
        value: undefined,
        words: '32 where they are asked at their times, else 1',
      }),
      more: 'Reads overlap. A write waits until all before it on its device have ended, and those behind it wait for it',
    },
    files: {
      ...path('DIR|LIST', 'sizes of the files of the trace: a directory that has them, or a list `ino,bytes,path`'),
      more: 'Without it, a file is as long at the start as its last byte that the trace reads before it writes it',
    },
    disk: DISK,
    'disk-limit': DISK_LIMIT,
    profile: PROFILE,
    set: SET,
    arch: ARCH_OF_PROFILE,
    policy: KERNEL_POLICY,
    strategy: {
      ...strategyOfGuest(
        'conventional, the files that were read before are read ahead after boot',
        STRATEGIES_OF_TRACES.join(', '),
      ),
      more: 'Those of Rio are for a guest that crashes, which no prediction has',
    },
    backend: BACKEND,
    'domain0-cache': DOMAIN0_CACHE,
    'prefetch-rate': {
      value: 'SIZE',
      help: 'prefetch reads at most this much a second',
      parse: parseSize,
      otherwise: { value: undefined, words: 'no limit' },
    },
    'restore-rate': {
      ...RESTORE_RATE,
      help: 'in the sweep of orders, pages of the old cache come back at this rate: pages an access, such as 0.5, or a size a second, such as 64MiB/s',
    },
    seed: SEED,
    'bare-boot': BARE_BOOT,
    jobs: JOBS,
    json: JSON_OUT('predict-schema.md'),
    report: REPORT,
    help: HELP,
  },
} as const satisfies CommandSpec;

export const PAPER = {
  name: 'paper',
  positionals: [],
  summary:
    "every figure that the paper's slides print of a reboot, and ours beside it: how far it is off, its range, and whether it was fitted or predicted",
  options: {
    seed: SEED,
    ranges: {
      ...path('FILE', 'find the ranges of the predicted figures anew, and write them to the new file FILE'),
      more: 'That takes hundreds of runs. Without it, the ranges are those of `data/paper-ranges.json`, as long as the figures are the same as there',
    },
    samples: {
      ...integer('N', 'with --ranges: runs in which all constants are moved at once', [1, SAMPLES_MAX], {
        value: undefined,
        words: `${SAMPLES}`,
      }),
    },
    jobs: JOBS,
    json: JSON_OUT('paper-schema.md'),
    report: REPORT,
    help: HELP,
  },
} as const satisfies CommandSpec;

const INODE_SIZES = ['128', '256'] as const;
const INODE_BYTES: Option<128 | 256> = {
  value: 'BYTES',
  help: 'size of an inode',
  choices: choicesOf(INODE_SIZES, {
    '128': 'times to the second',
    '256': 'guests keep times to the nanosecond, and have room for extended attributes in the inode',
  }),
  parse: (option, text) => (parseChoice(option, text, INODE_SIZES) === '256' ? 256 : 128),
  otherwise: { value: 128, text: '128' },
};

export const MKFS = {
  name: 'mkfs',
  positionals: [{ name: 'DIR' }, { name: 'IMAGE' }],
  summary: 'write an ext2 image with the files of DIR to the new file IMAGE',
  options: {
    force: flag('replace IMAGE if it exists'),
    journal: flag('make it ext3, with a journal of 16 MiB'),
    'boot-files': flag(
      'add the files that a boot reads, in a directory .stillwarm-boot',
      'They are 53 MB of made-up bytes in files of a recorded boot of Debian, which read 40 MB of them, and two lists of what is read when services start and stop',
    ),
    'inode-bytes': INODE_BYTES,
    help: HELP,
  },
} as const satisfies CommandSpec;

export const INSPECT = {
  name: 'inspect',
  positionals: [{ name: 'MEMORY.img' }],
  summary: 'read a dump of machine memory (reboot --dump-memory) and print what the hypervisor left in it',
  options: { json: JSON_OUT('inspect-schema.md'), help: HELP },
} as const satisfies CommandSpec;

export const DIFF = {
  name: 'diff',
  positionals: [{ name: 'A.json' }, { name: 'B.json' }],
  summary: 'compare two results of --json, of one command: the inputs that differ, then figure by figure',
  options: {
    tolerance: {
      value: 'PERCENT',
      help: `list no differences of figures of at most this much, 0 to ${PERCENT_MAX}`,
      more: 'They are counted',
      parse: (option, text) => parsePercent(option, text, PERCENT_MAX),
      otherwise: { value: 0, text: '0' },
    },
    only: {
      value: 'TEXT',
      help: 'compare only figures whose path contains TEXT',
      more: 'Inputs are compared always',
      parse: (_, text) => text,
      otherwise: { value: '', words: 'all' },
    },
    json: JSON_OUT('diff-schema.md'),
    help: HELP,
  } as const satisfies Options,
} as const satisfies CommandSpec;

export const COMMANDS: readonly CommandSpec[] = [
  REBOOT,
  VMM_REBOOT,
  WEB,
  PREDICT,
  PAPER,
  SHOW_PROFILE,
  CALIBRATE,
  MKFS,
  INSPECT,
  ...CHECKS,
  WORKER,
  DIFF,
  ...TRACE_COMMANDS,
  TRACE_CURVE,
  TRACE_RESTORE,
  CAPTURE,
];

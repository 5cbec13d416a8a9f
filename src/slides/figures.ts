/**
 * Every figure that the paper's slides print of a reboot, to be set beside ours: the only place
 * that has them. "1 GB" and "256 MB" are taken as 1 GiB and 256 MiB.
 *
 * A figure is fitted when constants of the profile `pentium4-2006` were chosen so that the model
 * meets it (their notes say how). Then agreement proves nothing. The model was never adjusted to
 * the others. Where such a one is far off, `assumption` says what would have to give.
 */

/** The measures that the slides have of a reboot of the hypervisor. */
export type VmmMeasure = 'stop' | 'start' | 'downtime';
/** The strategies that they have. */
export type SlideStrategy = 'warm-vm' | 'save-restore' | 'shutdown-boot';

interface Printed {
  /** As printed. */
  readonly value: number;
  readonly unit: 's' | '×' | '%';
}

/** What the constants of the profile have to do with a figure. */
type Standing =
  /** Chosen so that the model meets it. */
  | { readonly status: 'fitted' }
  /** Nothing was. `assumption` is what would have to give if the model is far off: a sentence. */
  | { readonly status: 'predicted'; readonly assumption: string }
  /** The two are not of one thing, by the reason. */
  | { readonly status: 'not comparable'; readonly reason: string };

/** A reboot of the hypervisor under guests. */
export type VmmFigure = Printed &
  Standing & {
    readonly kind: 'hypervisor';
    readonly unit: 's';
    readonly vms: number;
    /** Of each, bytes. */
    readonly memory: number;
    readonly strategy: SlideStrategy;
    readonly measure: VmmMeasure;
  };

/**
 * A warm-cache reboot of one guest of 1 GiB: files are read, or a web server is asked. `against
 * cold`: the first run after it against that after a conventional reboot. `of second`: that run as
 * a share of the second one.
 */
export type WarmCacheFigure = Printed &
  Standing & {
    readonly kind: 'files' | 'web server';
    readonly measure: 'against cold' | 'of second';
  };

/** What a web server loses just after a reboot of one guest of 1 GiB, under clients that go on. */
export type LossFigure = Printed &
  Standing & {
    readonly kind: 'throughput lost';
    readonly strategy: 'warm-cache' | 'cold';
    readonly measure: 'share' | 'seconds';
  };

export type SlideFigure = VmmFigure | WarmCacheFigure | LossFigure;

/** A predicted figure that is further off than this has to say why, percent. */
export const NEAR_PERCENT = 10;

const MIB = 1 << 20;
const ONE = { kind: 'hypervisor', unit: 's', vms: 1, memory: 1024 * MIB } as const;
const SIX = { kind: 'hypervisor', unit: 's', vms: 6, memory: 256 * MIB } as const;
const FITTED = { status: 'fitted' } as const;
const predicted = (assumption: string) => ({ status: 'predicted', assumption }) as const;

const SAVE_FILE = predicted(
  'domain 0 has no file system and no page cache here: a save file is one run of blocks at the outer edge, so it is written and read at nearly `disk.outerMBps`, 61 MB/s. The slides have 1 GiB at 38 MB/s saved and 54 MB/s restored. Bitmaps, indirect blocks and a journal would have to take the rest',
);
const SAVE_CYCLE = predicted('as its suspending and resuming: domain 0 has no file system and no page cache here');
const SUSPEND_ONE = predicted(
  '`guest.suspendNs` of 380 ms is fitted to six guests, one after the other. 0.2 s would have to pass before the first one is asked, and no mechanism is known',
);
const RESUME_ONE = predicted(
  '`hypervisor.resumeSetupNs` of 200 ms would have to be 450 ms; its range reaches 600 ms. Or the hand-shakes of the devices end later',
);
const RESUME_SIX = predicted(
  '`hypervisor.storeMessageNs` of 5.8 ms would have to be 4.7 ms; the measurements go from 3.2 to 6.5 ms',
);
const SHUTDOWN = predicted(
  '`guest.killWaitNs` of 5 s and `guest.shutdownServicesNs` of 1.5 s would have to be longer: their ranges reach 10 s and 3 s',
);
const BOOT = predicted(
  '`guest.bootServicesNs` of 5 s would have to be longer, besides the files that services read: 8 s is in its range',
);
const FILE_SIZES = predicted(
  'the slides do not say which files were read: one of 512 MiB is assumed. The blocks of the file system would have to be at hand, too, as with warm-cache+metadata',
);
const WEB_FILES = predicted(
  'the slides do not say which files were asked for, nor by how many clients: files of 512 KiB and 10 clients that ask for each once are assumed, as a later paper is remembered (unverified). For the share of the second run the blocks of the file system would have to be at hand, too, as with warm-cache+metadata, or files would have to be of 48 KiB at most, which have no indirect block; but then they are fewer times as fast as after a conventional reboot',
);
const WEB_LOAD = {
  status: 'not comparable',
  reason:
    'the slides tell neither the files nor the load of the clients, and a cache fills again in the time that all of its files take from the disk. Assumed: 909 files of 512 KiB by turns, 10 clients that do not think (a later paper is remembered with 10,000 such files in 11 GB, unverified: scaled to 1 GiB). Half as many files would lose half as much',
} as const;
const WEB_RETURN = {
  status: 'not comparable',
  reason:
    'the slides do not say when throughput counts as recovered: a mean loss of 6 % is already above our 90 %. Ours is from the return of the service to the first of three seconds with 90 % of the rate before. The files and clients are assumed, as for how much is lost',
} as const;

export const VMM_FIGURES: readonly VmmFigure[] = [
  { ...ONE, ...SUSPEND_ONE, strategy: 'warm-vm', measure: 'stop', value: 0.6 },
  { ...ONE, ...RESUME_ONE, strategy: 'warm-vm', measure: 'start', value: 0.6 },
  { ...ONE, ...FITTED, strategy: 'warm-vm', measure: 'downtime', value: 40 },
  { ...ONE, ...SAVE_FILE, strategy: 'save-restore', measure: 'stop', value: 28 },
  { ...ONE, ...SAVE_FILE, strategy: 'save-restore', measure: 'start', value: 20 },
  { ...ONE, ...SAVE_CYCLE, strategy: 'save-restore', measure: 'downtime', value: 104 },
  { ...ONE, ...SHUTDOWN, strategy: 'shutdown-boot', measure: 'stop', value: 12 },
  { ...ONE, ...BOOT, strategy: 'shutdown-boot', measure: 'start', value: 11 },
  { ...ONE, ...FITTED, strategy: 'shutdown-boot', measure: 'downtime', value: 78 },
  { ...SIX, ...FITTED, strategy: 'warm-vm', measure: 'stop', value: 2.3 },
  { ...SIX, ...RESUME_SIX, strategy: 'warm-vm', measure: 'start', value: 2 },
  { ...SIX, ...SAVE_FILE, strategy: 'save-restore', measure: 'stop', value: 45 },
  { ...SIX, ...SAVE_FILE, strategy: 'save-restore', measure: 'start', value: 37 },
  { ...SIX, ...SHUTDOWN, strategy: 'shutdown-boot', measure: 'stop', value: 25 },
  { ...SIX, ...BOOT, strategy: 'shutdown-boot', measure: 'start', value: 56 },
];

const WARM_CACHE_FIGURES: readonly WarmCacheFigure[] = [
  { kind: 'files', ...FILE_SIZES, measure: 'against cold', value: 15, unit: '×' },
  { kind: 'files', ...FILE_SIZES, measure: 'of second', value: 64, unit: '%' },
  { kind: 'web server', ...WEB_FILES, measure: 'against cold', value: 3, unit: '×' },
  { kind: 'web server', ...WEB_FILES, measure: 'of second', value: 92, unit: '%' },
];

const LOSS_FIGURES: readonly LossFigure[] = [
  { kind: 'throughput lost', ...WEB_LOAD, strategy: 'warm-cache', measure: 'share', value: 6, unit: '%' },
  { kind: 'throughput lost', ...WEB_RETURN, strategy: 'warm-cache', measure: 'seconds', value: 20, unit: 's' },
  { kind: 'throughput lost', ...WEB_LOAD, strategy: 'cold', measure: 'share', value: 44, unit: '%' },
  { kind: 'throughput lost', ...WEB_RETURN, strategy: 'cold', measure: 'seconds', value: 33, unit: 's' },
];

/** All figures, in the order of the slides. */
export const SLIDE_FIGURES: readonly SlideFigure[] = [...VMM_FIGURES, ...WARM_CACHE_FIGURES, ...LOSS_FIGURES];

/**
 * The slides' figure for a strategy on that many machines of that memory; undefined when they have
 * none.
 */
export function vmmFigure(vms: number, memory: number, strategy: string, measure: VmmMeasure): VmmFigure | undefined {
  return VMM_FIGURES.find(
    (figure) =>
      figure.vms === vms && figure.memory === memory && figure.strategy === strategy && figure.measure === measure,
  );
}

/** The slides' figure of a warm-cache reboot. */
export function warmCacheFigure(kind: WarmCacheFigure['kind'], measure: WarmCacheFigure['measure']): number {
  return WARM_CACHE_FIGURES.find((figure) => figure.kind === kind && figure.measure === measure)!.value;
}

/**
 * What a web server loses after a reboot by the slides, percent, and over how many seconds.
 * Undefined: they have no figure for the strategy.
 */
export function lossFigure(strategy: string): { readonly percent: number; readonly seconds: number } | undefined {
  const own = LOSS_FIGURES.filter((figure) => figure.strategy === strategy);
  const [share, span] = (['share', 'seconds'] as const).map((measure) => own.find((each) => each.measure === measure));
  return share === undefined || span === undefined ? undefined : { percent: share.value, seconds: span.value };
}

const DONE_TO_GUESTS: Readonly<Record<SlideStrategy, Readonly<Record<VmmMeasure, string>>>> = {
  'warm-vm': { stop: 'suspend', start: 'resume', downtime: 'service down' },
  'save-restore': { stop: 'save', start: 'restore', downtime: 'service down' },
  'shutdown-boot': { stop: 'shut down', start: 'boot', downtime: 'service down' },
};

/** What a figure is of: a name that no other has. */
export function figureName(figure: SlideFigure): string {
  switch (figure.kind) {
    case 'hypervisor': {
      const { vms, memory, strategy, measure } = figure;
      const size = memory % (1024 * MIB) === 0 ? `${memory / (1024 * MIB)} GiB` : `${memory / MIB} MiB`;
      return `${strategy}, ${vms} of ${size}: ${DONE_TO_GUESTS[strategy][measure]}`;
    }
    case 'files':
    case 'web server': {
      const other = figure.measure === 'against cold' ? 'conventional' : 'second run';
      return `${figure.kind}: first run ÷ ${other}`;
    }
    case 'throughput lost':
      return `throughput lost, ${figure.strategy}: ${figure.measure === 'share' ? 'how much' : 'how long'}`;
  }
}

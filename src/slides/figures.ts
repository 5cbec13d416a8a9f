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
  'domain 0 has no file system and no page cache here: a save file is one run of blocks at the outer edge',
);
const SAVE_CYCLE = predicted('as its suspending and resuming: domain 0 has no file system and no page cache here');
const HAND_SHAKES = predicted(
  'suspending and resuming are hand-shakes of each device through the store: their number, and what the tool stack takes for each',
);
const SERVICES = predicted(
  'what the services of a guest take to start and to stop is assumed, besides the files that they read',
);
const FILE_SIZES = predicted(
  'the slides do not say which files were read: one of 512 MiB is assumed. The blocks of the file system would have to be at hand, too, as with warm-cache+metadata',
);
const WEB_FILES = predicted('the slides do not say which files were asked for');

export const VMM_FIGURES: readonly VmmFigure[] = [
  { ...ONE, ...HAND_SHAKES, strategy: 'warm-vm', measure: 'stop', value: 0.6 },
  { ...ONE, ...HAND_SHAKES, strategy: 'warm-vm', measure: 'start', value: 0.6 },
  { ...ONE, ...FITTED, strategy: 'warm-vm', measure: 'downtime', value: 40 },
  { ...ONE, ...SAVE_FILE, strategy: 'save-restore', measure: 'stop', value: 28 },
  { ...ONE, ...SAVE_FILE, strategy: 'save-restore', measure: 'start', value: 20 },
  { ...ONE, ...SAVE_CYCLE, strategy: 'save-restore', measure: 'downtime', value: 104 },
  { ...ONE, ...SERVICES, strategy: 'shutdown-boot', measure: 'stop', value: 12 },
  { ...ONE, ...SERVICES, strategy: 'shutdown-boot', measure: 'start', value: 11 },
  { ...ONE, ...FITTED, strategy: 'shutdown-boot', measure: 'downtime', value: 78 },
  { ...SIX, ...FITTED, strategy: 'warm-vm', measure: 'stop', value: 2.3 },
  { ...SIX, ...HAND_SHAKES, strategy: 'warm-vm', measure: 'start', value: 2 },
  { ...SIX, ...SAVE_FILE, strategy: 'save-restore', measure: 'stop', value: 45 },
  { ...SIX, ...SAVE_FILE, strategy: 'save-restore', measure: 'start', value: 37 },
  { ...SIX, ...SERVICES, strategy: 'shutdown-boot', measure: 'stop', value: 25 },
  { ...SIX, ...SERVICES, strategy: 'shutdown-boot', measure: 'start', value: 56 },
];

/** All figures, in the order of the slides. */
export const SLIDE_FIGURES: readonly SlideFigure[] = [
  ...VMM_FIGURES,
  { kind: 'files', ...FILE_SIZES, measure: 'against cold', value: 15, unit: '×' },
  { kind: 'files', ...FILE_SIZES, measure: 'of second', value: 64, unit: '%' },
  { kind: 'web server', ...WEB_FILES, measure: 'against cold', value: 3, unit: '×' },
  { kind: 'web server', ...WEB_FILES, measure: 'of second', value: 92, unit: '%' },
  { kind: 'throughput lost', ...WEB_FILES, strategy: 'warm-cache', measure: 'share', value: 6, unit: '%' },
  { kind: 'throughput lost', ...WEB_FILES, strategy: 'warm-cache', measure: 'seconds', value: 20, unit: 's' },
  { kind: 'throughput lost', ...WEB_FILES, strategy: 'cold', measure: 'share', value: 44, unit: '%' },
  { kind: 'throughput lost', ...WEB_FILES, strategy: 'cold', measure: 'seconds', value: 33, unit: 's' },
];

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

/** What `stillwarm paper` answers: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import { COMMON, FITTED, Setting, VERIFIED } from '../guest/result.ts';
import { count, kind, many, object, oneOf, oneOrNull, orNull, result, text, type Described } from '../guest/schema.ts';

const number = (description: string) => Type.Number({ description });
const interval = (description: string) => object(description, { low: number('Least.'), high: number('Most.') });

export const PAPER_STATUSES = ['fitted', 'predicted', 'not comparable', 'not run'] as const;

export const PaperSwing = kind('swing', 'A constant that moves a figure, alone.', {
  constant: text('Section and name of the constant.'),
  low: number('Low end of its range, in its unit.'),
  high: number('High end.'),
  atLow: number('The figure when the constant is at its low end.'),
  atHigh: number('The figure when it is at its high end.'),
});
export type PaperSwing = Described<typeof PaperSwing>;

export const PaperRange = kind('range', 'How far a figure moves when constants move within their ranges.', {
  alone: interval('When one constant is moved to an end of its range, whichever.'),
  together: interval('Over a sample in which all constants are moved.'),
  swings: many('The constants that move it most, those first; five at most.', PaperSwing, { maxItems: 5 }),
});
export type PaperRange = Described<typeof PaperRange>;

export const PaperFigureResult = kind('figure', 'A figure of the slides, and ours.', {
  name: text('What it is of.'),
  unit: oneOf('Unit of all of its values.', ['s', '×', '%']),
  slide: number('As the slides print it.'),
  ours: orNull('As the model gives it; null when it was not run.', Type.Number()),
  percentOff: orNull('Ours less that of the slide, percent of the latter.', Type.Number()),
  status: oneOf(
    'fitted: constants were chosen so that the model meets it; predicted: none was; not comparable, not run: the reason says why.',
    PAPER_STATUSES,
  ),
  reason: text('Why it has this status, or what would have to give when a predicted figure is more than 10 % off.'),
  range: oneOrNull(
    'How far it moves; null when it is not predicted, or the ranges are those of other figures.',
    PaperRange,
  ),
});
export type PaperFigureResult = Described<typeof PaperFigureResult>;

export const PaperStrategyResult = kind('strategy', 'A reboot of the hypervisor.', {
  strategy: oneOf('The strategy.', ['warm-vm', 'save-restore', 'shutdown-boot']),
  stopNs: count('Time in which guests were suspended, saved or shut down.'),
  startNs: count('Time in which guests were resumed, restored or booted.'),
  downtimeNs: count('Longest time in which the web server of a guest answered none of its clients.'),
});

export const PaperMachine = kind('machine', 'A machine under each strategy.', {
  vms: count('Guests.', 1),
  memory: count('Memory of each guest, bytes.', 1),
  strategies: many('One result a strategy.', PaperStrategyResult),
});
export type PaperMachine = Described<typeof PaperMachine>;

export const PaperReading = kind('reading', 'A guest that reads one file twice before its reboot and twice after it.', {
  strategy: oneOf('The strategy.', ['cold', 'warm-cache', 'warm-cache+metadata']),
  bytes: count('Bytes of the file.', 1),
  firstBeforeNs: count('First run before the reboot.'),
  secondBeforeNs: count('Second run before it.'),
  firstNs: count('First run after it.'),
  secondNs: count('Second run after it.'),
});
export type PaperReading = Described<typeof PaperReading>;

export const PaperRate = kind('rate', 'The file read on a drive with another media rate.', {
  mbps: number('Media rate of the outermost zone, MB/s: `disk.outerMBps`.'),
  percent: number('First run after a warm-cache reboot as a share of the second, percent.'),
});
export type PaperRate = Described<typeof PaperRate>;

export const PaperStudy = kind('study', 'How the ranges were found.', {
  seed: count('Seed of the sample.'),
  constants: count('Constants that were moved.'),
  samples: count('Points of the sample in which all constants are moved.'),
  thresholdPercent: number('Constants that together move no time of a run by more than this were left as they are.'),
  points: count('Runs that were done for it.'),
});
export type PaperStudy = Described<typeof PaperStudy>;

export const PaperResult = result(
  'stillwarm/paper@1',
  'Result of stillwarm paper --json',
  `Every figure that the paper's slides print of a reboot, and ours. Times are virtual. The same version and seed give the same
object, byte for byte.`,
  {
    ...COMMON,
    figures: many('Each figure, in the order of the slides.', PaperFigureResult),
    machines: many('Reboots of the hypervisor, over memory and over the number of guests.', PaperMachine),
    readings: many('Reboots of one guest.', PaperReading),
    rates: many('The file read over the media rate of the drive.', PaperRate),
    study: oneOrNull('How the ranges were found; null when there are none.', PaperStudy),
    verified: VERIFIED,
    fitted: FITTED,
  },
  [
    PaperFigureResult,
    PaperRange,
    PaperSwing,
    PaperMachine,
    PaperStrategyResult,
    PaperReading,
    PaperRate,
    PaperStudy,
    Setting,
  ],
);
export type PaperResult = Described<typeof PaperResult>;

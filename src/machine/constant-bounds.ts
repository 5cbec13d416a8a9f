/**
 * Which values of a constant make sense.
 *
 * The unit tells. Costs and sizes are whole, except ns/B and MB/s. Counts and rates are more than
 * zero. A value is within a thousandth and a thousand times of a known one, so that a run ends.
 */

import { ArgumentError, checkInteger, shown } from '../base/argument-error.ts';
import { unitOfConstant } from './profile.ts';

/** How many times as large or as small as a known value another one may be. */
const MOST_TIMES = 1000;
/** The most where 0 is what is known: 1,000 s. */
const MOST_FOR_NOTHING = 1e12;
/** An adapter takes whole packets, of up to 64 KiB and headers. */
const LEAST_QUEUE_BYTES = 2 ** 17;

/** Sizes of which there is at least one byte. */
const NEVER_EMPTY: readonly string[] = ['disk.capacityBytes', 'nic.segmentBytes', 'nic.queueBytes'];

/** Values that a constant may have, in its unit. */
export interface ConstantBounds {
  /** Least value besides 0. */
  readonly least: number;
  readonly most: number;
  /** Whether it may be 0. */
  readonly mayBe0: boolean;
  /** Whether it is an integer. */
  readonly isWhole: boolean;
}

/**
 * @param name with its section: `guest.syscallNs`
 * @param low least value that is known, in its unit
 * @param high greatest value that is known
 */
export function boundsOf(name: string, low: number, high = low): ConstantBounds {
  const unit = unitOfConstant(name);
  const isWhole = unit !== 'ns/B' && unit !== 'MB/s';
  if (name === 'hypervisor.netbackFlips') return { least: 1, most: 1, mayBe0: true, isWhole };
  const mayBe0 = !['', '1/min', 'MB/s'].includes(unit) && !NEVER_EMPTY.includes(name);
  const least = name === 'nic.queueBytes' ? LEAST_QUEUE_BYTES : low / MOST_TIMES;
  const most = high === 0 ? MOST_FOR_NOTHING : high * MOST_TIMES;
  if (!isWhole) return { least, most, mayBe0, isWhole };
  // A whole number of 0 on has no other least: between 0 and 1 there is none.
  return { least: mayBe0 ? 0 : Math.max(1, Math.ceil(least)), most: Math.floor(most), mayBe0, isWhole };
}

/** @throws ArgumentError for a value that the constant cannot have */
export function checkValue(argument: string, { least, most, mayBe0, isWhole }: ConstantBounds, value: unknown): void {
  if (isWhole) {
    checkInteger(argument, value, mayBe0 ? 0 : least, most);
    return;
  }
  if (typeof value === 'number' && value <= most && (value >= least || (value === 0 && mayBe0))) return;
  const range = `${mayBe0 ? '0, or ' : ''}${least} to ${most}`;
  throw new ArgumentError(`${argument}: expected a number, ${range}, got ${shown(value)}`);
}

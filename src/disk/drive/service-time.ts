/**
 * How long a drive takes: the interface between the drive and a model of its mechanism. The drive
 * owns queue, cache and bytes; the model owns positions and times.
 *
 * Contract: calls come in the order in which service begins, and `now` never decreases. At most
 * `channels` of the answered intervals of `read` and `write` overlap. Answers are whole
 * nanoseconds, 0 or more, and depend on the calls so far only.
 */

import type { Ns } from '../../base/units.ts';
import type { BlockOp } from './block-device.ts';

/** How long the mechanism of a drive takes. Calls come in the order of service. */
export interface ServiceTimeModel {
  /** How many requests are served at once, 1 or more. */
  readonly channels: number;
  /**
   * ns from the start of service at `now` until the sectors have been read and moved over the bus.
   */
  read(sector: number, sectors: number, now: Ns): Ns;
  /** ns from `now` until sectors that the drive already has are on the medium. */
  write(sector: number, sectors: number, now: Ns): Ns;
  /**
   * ns for a command that does not wait for the medium, with `sectors` moved over the bus (0 or
   * more).
   */
  transfer(op: BlockOp, sectors: number, now: Ns): Ns;
}

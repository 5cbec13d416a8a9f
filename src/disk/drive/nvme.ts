/**
 * Service times of a flash drive. Each command has a fixed latency, `channels` commands run at
 * once, and one bus moves their bytes one after the other.
 *
 * A command that arrives alone takes latency + bytes / bandwidth; a deep queue is bound by the bus,
 * because latencies overlap and transfers do not. Garbage collection, differences between flash
 * dies, and latency that grows with the share of writes are left out: no figure here depends on
 * them.
 */

import { Ns, SECTOR_SIZE } from '../../base/units.ts';
import type { NvmeConstant, Values } from '../../machine/profile.ts';
import type { BlockOp } from './block-device.ts';
import type { ServiceTimeModel } from './service-time.ts';

export class NvmeDisk implements ServiceTimeModel {
  readonly channels: number;
  readonly #costs: Values<NvmeConstant>;
  /** When the bus will have moved everything promised so far. */
  #busFreeAt = 0;

  constructor(costs: Values<NvmeConstant>) {
    this.channels = costs.channels;
    this.#costs = costs;
  }

  read(_sector: number, sectors: number, now: Ns): Ns {
    return this.#move(sectors, this.#costs.readLatencyNs, this.#costs.readMBps, now);
  }

  /**
   * The bus was paid by `transfer`; programming the flash is hidden behind the drive's protected
   * buffer.
   */
  write(_sector: number, _sectors: number, _now: Ns): Ns {
    return Ns(this.#costs.writeLatencyNs);
  }

  transfer(_op: BlockOp, sectors: number, now: Ns): Ns {
    return this.#move(sectors, this.#costs.commandNs, this.#costs.writeMBps, now);
  }

  #move(sectors: number, latencyNs: number, megabytesPerSecond: number, now: Ns): Ns {
    const nsPerByte = 1000 / megabytesPerSecond;
    this.#busFreeAt = Math.max(now + latencyNs, this.#busFreeAt) + sectors * SECTOR_SIZE * nsPerByte;
    return Ns(Math.ceil(this.#busFreeAt) - now);
  }
}

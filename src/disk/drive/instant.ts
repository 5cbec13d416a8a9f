/**
 * A drive without a mechanism, for tests and for runs in which the disk costs nothing. Everything
 * takes 1 ns and not 0, so that a request completes later than it was submitted.
 */

import { Ns } from '../../base/units.ts';
import type { ServiceTimeModel } from './service-time.ts';

export class InstantDisk implements ServiceTimeModel {
  readonly channels = 1;

  read(): Ns {
    return Ns(1);
  }

  write(): Ns {
    return Ns(1);
  }

  transfer(): Ns {
    return Ns(1);
  }
}

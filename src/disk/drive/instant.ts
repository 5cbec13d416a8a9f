/**
 * A drive without a mechanism, for tests and for runs that ask what is left when the disk costs nothing. Everything
 * takes 1 ns, not 0: a request completes at a later instant than the one it was submitted at.
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

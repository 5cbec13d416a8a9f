/**
 * How long a drive takes, in virtual time. Reads of 4 KiB go in order and at random to the disk of
 * 2004 and to the flash drive of 2026. 25 lines of code.
 */

// In a project of your own: from 'stillwarm/base', 'stillwarm/disk', 'stillwarm/machine' and
// 'stillwarm/sim'.
import { type Mfn, type Ns, SECTORS_PER_PAGE } from '../src/base/index.ts';
import { type BlockDevice, Drive, type DriveKind, driveOptions, MemoryImage } from '../src/disk/index.ts';
import { MachineMemory, SERVER_2026 } from '../src/machine/index.ts';
import { type Process, Simulation, WaitQueue } from '../src/sim/index.ts';

const IMAGE_BYTES = 256 << 20;
const PAGES = IMAGE_BYTES / 4096;

/** Mean ns of a read, one after the other. */
export function meanRead(kind: DriveKind, order: 'in order' | 'at random', reads: number): number {
  const simulation = new Simulation(1);
  const memory = new MachineMemory(1 << 20);
  const drive = new Drive(simulation, memory, new MemoryImage(IMAGE_BYTES), driveOptions(SERVER_2026.disk, kind));
  const places = simulation.random.stream('places');
  function* program(): Process<Ns> {
    for (let n = 0; n < reads; n++) yield* read(drive, order === 'in order' ? n : places.below(PAGES));
    return simulation.now;
  }
  return simulation.runProcess('program', program()) / reads;
}

/** Reads a page of the device into frame 0, and waits for the end. */
function* read(device: BlockDevice, page: number): Process {
  const ended = new WaitQueue('the end of a read');
  let error: 'EIO' | 'none yet' | undefined = 'none yet';
  const segments = [{ mfn: 0 as Mfn, offset: 0, length: 4096 }];
  const done = (outcome: 'EIO' | undefined): void => {
    error = outcome;
    ended.wakeAll();
  };
  device.submit({ op: 'read', sector: page * SECTORS_PER_PAGE, segments, done });
  while (error === 'none yet') yield ended;
  if (error !== undefined) throw new Error(`page ${page} cannot be read`);
}

/**
 * What a workload does besides calls on files. The guest's kernel goes wild, or a record of the
 * hypervisor is damaged. Or a page is being written when the next call comes, or a file stays open.
 */

import { GuestPanic } from '../../base/errno.ts';
import { Mfn, Ns, PAGE_SIZE, Pfn } from '../../base/units.ts';
import { FADV, type Machine, O, type Process, type Syscalls } from '../../doors/machine/index.ts';
import { RECORD_WORDS, W_CRC } from '../../xen/frames/frame-record.ts';

/** What happens between two calls. */
export type LabCall =
  | {
      /** The kernel stores a word to each dirty page, past the routines of the file cache. */
      readonly do: 'goWild';
      /** Where in a page, bytes. */
      readonly at: number;
    }
  | {
      /**
       * The first words of a record are stored over those of another one, and no more: name, state
       * and block.
       */
      readonly do: 'tearRecord';
      /** Files, whose first pages have these records. */
      readonly from: string;
      readonly to: string;
    }
  | {
      /** The dirty pages of a file begin to be written. It is over when the drive has begun. */
      readonly do: 'beginWriteOut';
      readonly path: string;
    }
  | {
      /** A file is opened, and stays open until the program ends. */
      readonly do: 'hold';
      readonly path: string;
    };

/** Those calls by name. */
const LAB_CALLS: readonly string[] = ['goWild', 'tearRecord', 'beginWriteOut', 'hold'] satisfies LabCall['do'][];
/** How often it is asked whether the drive has begun, ns of virtual time. */
const LOOK_NS = Ns(1000);

export function isLabCall(call: { readonly do: string }): call is LabCall {
  return LAB_CALLS.includes(call.do);
}

const RECORD_BYTES = 4 * RECORD_WORDS;

/**
 * Lets it happen.
 * @param home the directory before the paths
 * @returns whether the guest has survived it
 */
export function* playLabCall(machine: Machine, sys: Syscalls, home: string, call: LabCall): Process<boolean> {
  if (call.do === 'goWild') return goWild(machine, call.at);
  if (call.do === 'beginWriteOut') {
    const fd = yield* sys.open(home + call.path, O.rdwr);
    yield* sys.posixFadvise(fd, 0, 0, FADV.dontneed);
    yield* sys.close(fd);
    while (machine.room.drive.isIdle) yield LOOK_NS;
    return true;
  }
  if (call.do === 'hold') {
    yield* sys.open(home + call.path, O.rdonly);
    return true;
  }
  const from = frameOf(machine, (yield* sys.lstat(home + call.from)).ino);
  const to = frameOf(machine, (yield* sys.lstat(home + call.to)).ino);
  const { memory, map } = machine.room.hypervisor;
  const placeOf = (mfn: Mfn): readonly [Mfn, number] => {
    const at = mfn * RECORD_BYTES;
    return [Mfn(map.tableMfn + Math.floor(at / PAGE_SIZE)), at % PAGE_SIZE];
  };
  const words = new Uint8Array(4 * W_CRC);
  memory.copyOut(...placeOf(from), words, 0, words.length);
  memory.copyIn(...placeOf(to), words, 0, words.length);
  return true;
}

/** A kernel dies of the first store that is refused. */
function goWild({ domain, room }: Machine, at: number): boolean {
  const { frames } = room.hypervisor;
  try {
    for (let pfn = 0; pfn < domain.nrPages; pfn++)
      if (frames.isDirty(domain.frameOf(Pfn(pfn)))) domain.environment.memory.writeU32(Pfn(pfn), at, 0);
  } catch (error) {
    if (error instanceof GuestPanic) return false;
    throw error;
  }
  return true;
}

/** The frame of the first page of a file. */
function frameOf({ domain, room }: Machine, ino: number): Mfn {
  const { frames } = room.hypervisor;
  for (let pfn = 0; pfn < domain.nrPages; pfn++) {
    const mfn = domain.frameOf(Pfn(pfn));
    const name = frames.nameOf(mfn);
    if (name?.ino === ino && name.index === 0) return mfn;
  }
  throw new Error(`inode ${ino} has no page in the cache that is named`);
}

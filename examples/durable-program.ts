/**
 * A property of a program that stores data: what it has acknowledged is there after a crash or a
 * loss of power at any event. 26 lines of code.
 *
 * The program writes notes, each a new file, and acknowledges a note when it is safe. When that is
 * depends on the file system:
 *
 * - `fsync` of a file puts its bytes and its inode on the medium, on ext2 and on ext3.
 * - A new file is also a name in its directory. On ext3 the name is in the same transaction as the
 *   inode, or in an earlier one, and `fsync` commits that. So the name is safe, too.
 * - On ext2 the name is in a page of the directory, which is not written yet. The note is safe when
 *   the directory was synced as well.
 *
 * With `syncDirectory` the program is right on both. Without it the property fails on ext2, and
 * prints the event and one line to replay it.
 */

import type fc from 'fast-check';
// In a project of your own: from 'stillwarm' and 'stillwarm/testing'.
import { files, type Machine, O, type Process, type Syscalls } from '../src/index.ts';
import { crashProperty } from '../src/doors/testing/index.ts';

const TEXT = new TextEncoder().encode('remember this');

function* takeNotes(sys: Syscalls, acknowledged: string[], syncDirectory: boolean): Process {
  for (const note of ['/one', '/two']) {
    const fd = yield* sys.open(note, O.wronly | O.creat);
    yield* sys.write(fd, TEXT, 0, TEXT.length);
    yield* sys.fsync(fd);
    yield* sys.close(fd);
    if (syncDirectory) yield* sys.fsync(yield* sys.open('/'));
    acknowledged.push(note);
  }
}

function mustHaveNotes({ sys }: Machine, acknowledged: readonly string[]): void {
  for (const note of acknowledged) {
    const bytes = new Uint8Array(100);
    const length = sys.read(sys.open(note), bytes, 0, bytes.length);
    if (length !== TEXT.length) throw new Error(`${note} has ${length} bytes`);
  }
}

/** @param journalBlocks blocks of the journal: ext3; 0: ext2 */
export function notesAreDurable(journalBlocks: number, syncDirectory: boolean): fc.IProperty<unknown> {
  const disk = files({}, journalBlocks === 0 ? { size: 1 << 20 } : { journalBlocks });
  /** Of each case, the notes that were acknowledged before the fault. */
  let acknowledged: string[] = [];
  const program = (sys: Syscalls): Process => takeNotes(sys, (acknowledged = []), syncDirectory);
  return crashProperty({ machine: { disk, memory: 16 << 20 }, program }, (machine) => {
    mustHaveNotes(machine, acknowledged);
  });
}

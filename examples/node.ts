/**
 * A directory of the host in a guest, and the guest's disk as a file of the host. The directory is
 * only read; what the guest does goes to the file. 15 lines of code.
 */

// In a project of your own: from 'stillwarm' and 'stillwarm/node'.
import { directory, imageFile, save } from '../src/doors/node/index.ts';
import { type Disk, Machine, O, type Syscalls } from '../src/index.ts';

/** Boots a guest on the directory, has it write `/note`, and saves its disk to `path`. */
export function noteAndSave(dir: string, note: string, path: string): void {
  const machine = Machine.boot({ disk: directory(dir), memory: 16 << 20 });
  const bytes = new TextEncoder().encode(note);
  machine.run(function* (sys: Syscalls) {
    const fd = yield* sys.open('/note', O.wronly | O.creat);
    yield* sys.write(fd, bytes, 0, bytes.length);
    yield* sys.sync();
  });
  save(machine.disk, path);
}

/** What a guest finds in the root directory of a saved disk. */
export function namesOf(path: string): string[] {
  const disk: Disk = imageFile(path);
  const { sys } = Machine.boot({ disk, memory: 16 << 20 });
  return sys.readdir('/').map(({ name }) => name);
}

// Lives of guests on a file system that may be garbage: they change everything, stop or crash, and
// the next one reads everything. Whatever is on the disk, nothing but an errno comes out of it, and
// no life lasts for ever.
import { ModelError } from '../../src/base/index.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { O, type Syscalls } from '../../src/kernel/index.ts';
import type { Process } from '../../src/sim/index.ts';
import { FakeMachine } from '../support/fake-machine.ts';

/** A life takes some thousands of events. */
const MOST_EVENTS = 200_000;

/** Everything that changes a file system; each call may fail as a call of the guest fails. */
export function* changeEverything(sys: Syscalls): Process {
  const bytes = new Uint8Array(70_000).fill(3);
  const attempts: (() => Process<unknown>)[] = [
    () => sys.mkdir('/new'),
    () => rewrite(sys, '/new/file', bytes, 0),
    () => rewrite(sys, '/big', bytes, 900_000),
    () => rewrite(sys, '/holes', bytes, 6_000_000),
    () => sys.truncate('/big', 100_000),
    () => sys.truncate('/shared', 1),
    () => sys.rename('/many', '/deep/many'),
    () => sys.rename('/deep/er', '/er'),
    () => sys.link('/one', '/two'),
    () => sys.symlink('t'.repeat(100), '/long'),
    () => sys.unlink('/big'),
    () => sys.unlink('/shared'),
    () => sys.unlink('/holes'),
    () => sys.unlink('/er/thirteen'),
    () => sys.rmdir('/er'),
    ...Array.from({ length: 40 }, (_, i) => () => sys.unlink(`/deep/many/name-${i}`)),
    () => rewrite(sys, '/last', bytes, 0),
    () => sys.sync(),
  ];
  for (const attempt of attempts) {
    try {
      yield* attempt();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
}

function* rewrite(sys: Syscalls, path: string, bytes: Uint8Array, at: number): Process {
  const fd = yield* sys.open(path, O.rdwr | O.creat);
  try {
    yield* sys.pwrite(fd, bytes, 0, bytes.length, at);
    yield* sys.fsync(fd);
  } finally {
    yield* sys.close(fd);
  }
}

/**
 * Everything that can be read, and again when a call fails. What is large is read at its beginning
 * and at its end.
 */
function* readEverything(sys: Syscalls): Process {
  const pending = ['/'];
  const bytes = new Uint8Array(40_000);
  for (let paths = 0; pending.length > 0 && paths < 250; paths++) {
    const path = pending.shift()!;
    try {
      const { mode, size } = yield* sys.lstat(path);
      if (mode >>> 12 === 4) {
        for (const { name } of yield* sys.readdir(path))
          if (name !== '.' && name !== '..' && path.length < 40) pending.push(`${path === '/' ? '' : path}/${name}`);
      } else if (mode >>> 12 === 8) {
        const fd = yield* sys.open(path);
        for (const at of [0, Math.max(0, size - bytes.length)]) yield* sys.pread(fd, bytes, 0, bytes.length, at);
        yield* sys.close(fd);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
}

/** One guest after the other; each changes or reads, and stops in order or not. */
export function survives(image: MemoryImage, isCrash = false): void {
  for (const life of [changeEverything, readEverything]) {
    const machine = new FakeMachine({ image });
    machine.run(
      (function* () {
        try {
          const kernel = yield* machine.boot();
          yield* life(kernel.syscalls);
          if (!isCrash) yield* kernel.shutdown();
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
          if (error.message.includes('\n')) throw new Error(`an error of several lines: ${error.message}`);
        }
      })(),
      MOST_EVENTS,
    );
  }
}

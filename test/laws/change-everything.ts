// Lives of guests on a file system that may be garbage: they change everything, stop or crash, and
// the next one reads everything. Whatever is on the disk, nothing but an errno comes out of it, and
// no life lasts for ever.
import { ModelError } from '../../src/base/index.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { changeEverything, readEverything } from '../../src/lab/fuzz/programs.ts';
import { FakeMachine } from '../support/fake-machine.ts';

/** A life takes some thousands of events. */
const MOST_EVENTS = 200_000;

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

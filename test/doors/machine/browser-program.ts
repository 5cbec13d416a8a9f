// What is bundled for a browser. A guest boots, reads and writes files, and is rebooted warm; the
// next one reads all of it from pages that it took over. The oracle compares each of them.
import { files, Machine, O, type Process, type Syscalls } from '../../../src/index.ts';

const PAGE = 4096;
const PATHS = ['/hello', '/directory/name with ü', '/sparse', '/written'];

/** Bytes that no two pages share. */
const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 24);

function* write(sys: Syscalls): Process {
  const bytes = bytesOf(30_000, 2);
  const fd = yield* sys.open('/written', O.creat | O.wronly);
  yield* sys.write(fd, bytes, 0, bytes.length);
  yield* sys.close(fd);
  yield* sys.sync();
}

/** A sum of all bytes of the files, each weighted by its place. */
function* readAll(sys: Syscalls): Process<number> {
  const buffer = new Uint8Array(PAGE);
  let sum = 0;
  for (const path of PATHS) {
    const fd = yield* sys.open(path);
    for (let bytes = -1; bytes !== 0; ) {
      bytes = yield* sys.read(fd, buffer, 0, PAGE);
      for (let i = 0; i < bytes; i++) sum = (Math.imul(sum, 31) + buffer[i]!) >>> 0;
    }
    yield* sys.close(fd);
  }
  return sum;
}

/** A line with the digest of the run, what was read, and what the oracle has compared. */
export function program(): string {
  const disk = files({
    hello: 'x'.repeat(1e5),
    directory: { 'name with ü': bytesOf(50_001, 1) },
    sparse: new Uint8Array(40_000).fill(7, 33_000, 33_100),
  });
  const machine = Machine.boot({ disk, strategy: 'warm-cache+metadata', seed: 1 });
  machine.run(write);
  const before = machine.run(readAll);
  machine.reboot();
  const { reads } = machine.stats.drive;
  const after = machine.run(readAll);
  const readsAfter = machine.stats.drive.reads - reads;
  const { reused, mismatches } = machine.verify();
  return `${before === after ? 'ok' : 'wrong'} ${machine.digest}: ${after}, ${reused} pages, ${readsAfter} reads, ${mismatches} wrong`;
}

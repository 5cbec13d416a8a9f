// What is bundled for a browser: a guest boots, reads and writes files, and is rebooted warm; the
// next one reads all of it from pages that it took over. The oracle compares each of them.
import { crc32c } from '../../src/base/crc32c.ts';
import { PAGE_SIZE } from '../../src/base/units.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import { machineMemoryFor } from '../../src/experiment/guest/host.ts';
import { type Guest, Testbed } from '../../src/experiment/guest/testbed.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import { Verifier, VerifierRecord } from '../../src/experiment/judge/verifier.ts';
import { O } from '../../src/kernel/index.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../src/sim/index.ts';

const GUEST_BYTES = 32 << 20;
const WARM = 'cachemap=all';
const PATHS = ['/hello', '/directory/name with ü', '/sparse', '/written'];

/** Bytes that no two pages share. */
const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 24);

/** A line with a checksum of all that was read, of the clock and of the counts. */
export function program(): string {
  const image = makeExt2(
    tree(
      directory([
        ['hello', file('x'.repeat(1e5))],
        ['directory', directory([['name with ü', file(bytesOf(50_001, 1))]])],
        ['sparse', file(new Uint8Array(40_000).fill(7, 33_000, 33_100))],
      ]),
    ),
  );
  const memory = new MachineMemory(machineMemoryFor(GUEST_BYTES));
  const record = new VerifierRecord();
  const testbed = new Testbed({
    seed: 1,
    profile: SERVER_2026,
    disk: 'profile',
    image,
    memory,
    guestMemory: GUEST_BYTES,
    onReuse: (domain, pfn, ino, index, block) => {
      verifier.reused(ino, index, pfn, block, memory.frame(domain.frameOf(pfn)));
    },
  });
  const oracle = new OracleExt2(testbed.drive.contents);
  const verifier = new Verifier(oracle, record);
  const buffer = new Uint8Array(PAGE_SIZE);
  let digest = 0;

  function* readAll({ kernel: { syscalls: sys } }: Guest): Process {
    for (const path of PATHS) {
      const onDisk = oracle.listFiles().find((each) => each.path === path)!;
      const fd = yield* sys.open(path);
      for (let at = 0, bytes = -1; bytes !== 0; at += bytes) {
        bytes = yield* sys.pread(fd, buffer, 0, PAGE_SIZE, at);
        verifier.read(onDisk, at, bytes, buffer);
        digest = crc32c(buffer, 0, bytes, digest);
      }
      yield* sys.close(fd);
    }
  }

  function* main(): Process<string> {
    const before = yield* testbed.start(WARM);
    const { syscalls: sys } = before.kernel;
    const fd = yield* sys.open('/written', O.creat | O.wronly);
    const bytes = bytesOf(30_000, 2);
    yield* sys.write(fd, bytes, 0, bytes.length);
    yield* sys.close(fd);
    yield* sys.sync();
    oracle.invalidate();
    yield* readAll(before);
    const after = yield* testbed.reboot(before, false, {
      preserve: true,
      cmdLine: WARM,
      betweenGuests: () => oracle.invalidate(),
    });
    const readsBefore = testbed.drive.counters.reads;
    yield* readAll(after);
    const readsAfter = testbed.drive.counters.reads - readsBefore;
    if (record.count > 0 || record.pages === 0) return `wrong: ${JSON.stringify(record)}`;
    const facts = `${record.pages} pages, ${record.bytes} bytes, ${readsAfter} reads, ${testbed.simulation.now} ns`;
    return `ok ${digest.toString(16)}: ${facts}`;
  }
  return testbed.simulation.runProcess('browser', main());
}

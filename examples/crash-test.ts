/**
 * A program that stores data, crash-tested: its guest crashes at each event, and its machine loses
 * power there. 28 lines of code.
 *
 * The program replaces an account's file the safe way: write a new one, fsync it, rename it over
 * the old one. On ext3 the old or the new file is there afterwards, whole.
 */

// In a project of your own: from 'stillwarm'.
import { crashes, files, type Machine, O, type Process, powerLosses, type Syscalls } from '../src/index.ts';

/** What the account's file may hold. */
export const STATES = ['balance=0\n', 'balance=100\n'] as const;

const PLAN = {
  machine: { disk: files({ account: STATES[0] }, { journalBlocks: 1024 }), memory: 16 << 20 },
  program: deposit,
};

function* deposit(sys: Syscalls): Process {
  const bytes = new TextEncoder().encode(STATES[1]);
  const fd = yield* sys.open('/new', O.wronly | O.creat);
  yield* sys.write(fd, bytes, 0, bytes.length);
  yield* sys.fsync(fd);
  yield* sys.close(fd);
  yield* sys.rename('/new', '/account');
  yield* sys.sync();
}

/** What the account's file holds. */
export function account({ sys }: Machine): string {
  const bytes = new Uint8Array(sys.stat('/account').size);
  const fd = sys.open('/account');
  const length = sys.read(fd, bytes, 0, bytes.length);
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** Every `every`-th moment of the program: what the account held afterwards, and wrong pages. */
export function* crashTest(every: number): Generator<{ event: number; held: string; wrong: number }, void, void> {
  for (const { machine, event } of crashes({ ...PLAN, every })) {
    machine.reboot();
    yield { event, held: account(machine), wrong: machine.verify().mismatches };
  }
  for (const { machine, event } of powerLosses({ ...PLAN, every }, 0.5))
    yield { event, held: account(machine), wrong: machine.verify().mismatches };
}

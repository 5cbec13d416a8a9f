// The reader that writes a log: what the log says, and when it says it.
import { expect, it } from 'vitest';
import { READ_SIZE, type ReaderContext } from '../../src/workload/file-reader.ts';
import { readAndLog } from '../../src/workload/log-writer.ts';
import { bootWorkloadGuest } from './guest.ts';

const LOG = '/log';

it('a log writer reads all files in order, and appends a line for each once it is read', () => {
  const { testbed, guest, files } = bootWorkloadGuest([5000, 0, READ_SIZE + 1]);
  const sys = guest.kernel.syscalls;
  const happened: string[] = [];
  const logged: Uint8Array[] = [];
  const context: ReaderContext = {
    sys,
    files,
    buffer: new Uint8Array(READ_SIZE),
    limit: Infinity,
    onRead: (file, _, bytes) => happened.push(`read ${bytes} of ${file}`),
  };
  const run = (): number =>
    testbed.simulation.runProcess(
      'log',
      readAndLog(context, LOG, (bytes) => {
        logged.push(bytes);
        happened.push(Buffer.from(bytes).toString());
      }),
    );
  expect(run()).toBe(5000 + READ_SIZE + 1);
  expect(happened).toEqual([
    'read 5000 of 0',
    'GET /0 200 5000\n',
    'GET /1 200 0\n',
    `read ${READ_SIZE} of 2`,
    'read 1 of 2',
    `GET /2 200 ${READ_SIZE + 1}\n`,
  ]);
  // A second run goes on where the first ended.
  run();
  const seen = new Uint8Array(1000);
  const bytes = testbed.simulation.runProcess(
    'read',
    (function* () {
      return yield* sys.read(yield* sys.open(LOG), seen, 0, seen.length);
    })(),
  );
  expect(Buffer.compare(seen.subarray(0, bytes), Buffer.concat(logged))).toBe(0);
  expect(logged).toHaveLength(6);
});

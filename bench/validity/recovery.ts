/**
 * The first minutes of a web server with a cold cache, whose drive is limited to so many operations
 * a second. A real one was recorded (data/oracle): nginx, with clients on its own host, in a closed
 * loop over 6,000 files by Zipf's law.
 *
 * Here each connection is a process of the guest that does what a worker of the server does for it.
 * No network is in between, as none was there. The program's own time is chosen so that the warm
 * rate is that of the recording. No other constant is.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Ns } from '../../src/base/units.ts';
import { OverlayImage } from '../../src/disk/image/overlay-image.ts';
import { traceDisk } from '../../src/experiment/predict/trace-disk.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { Testbed } from '../../src/experiment/host/testbed.ts';
import { cmdLineOf } from '../../src/experiment/host/strategies.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import type { Process } from '../../src/sim/index.ts';
import { lastAtMost } from '../../src/workload/zipf.ts';
import { rowsOfCsv } from './oracle.ts';

/** Of the guest: not limiting. */
const MEMORY = 2 ** 30;
/** Bytes that the server reads at a time: as in the recorded trace of it. */
const BUFFER_BYTES = 32_768;
/** Processor time of the server and its client for a request, besides reading the file, ns. */
const REQUEST_NS = 28_000;
const SHARE = 0.9;
/** The model's run ends when the drive has had next to nothing to do for so many seconds. */
const CALM_SECONDS = 4;

/** How a server has become fast. */
export interface Recovery {
  /** Requests a second, the mean from then on. */
  readonly warm: number;
  /** Whole seconds before the first one that has 90 % of the warm rate. */
  readonly until90: number;
}

interface ServedFile {
  readonly path: string;
  readonly size: number;
}

/** @param perSecond requests that were answered in each second */
function recoveryOf(perSecond: readonly number[]): Recovery {
  const warmFrom = (second: number): number =>
    perSecond.slice(second).reduce((sum, rate) => sum + rate, 0) / (perSecond.length - second);
  const until90 = perSecond.findIndex((rate, second) => rate >= SHARE * warmFrom(second));
  return { warm: warmFrom(until90), until90 };
}

/** What was recorded. The last row is a part of a second. */
export function recordedRecovery(folder: string, iops: number): Recovery {
  const rows = rowsOfCsv(join(folder, `nginx_iops${iops}_series.csv`)).slice(0, -1);
  return recoveryOf(rows.map((row) => Number(row['requests_per_s'])));
}

/** The files in the order of their inodes, and how often each was asked for. */
function filesOf(folder: string): { readonly bytes: number; readonly requests: number }[] {
  const [, ...lines] = gunzipSync(readFileSync(join(folder, 'nginx_files.csv.gz')))
    .toString('latin1')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const [bytes, requests] = line.split(',').map(Number);
    return { bytes: bytes!, requests: requests! };
  });
}

/** The same on the model. */
export function modelRecovery(folder: string, iops: number, connections: number): Recovery {
  const recorded = filesOf(folder);
  const disk = traceDisk(
    {
      files: recorded.map(({ bytes }, n) => ({
        name: `${n}`,
        exists: true,
        size: bytes,
        newPages: 0,
        runs: undefined,
      })),
    },
    false,
  );
  const byNumber = new Map(disk.files.map((file) => [Number(file.path.split('/').at(-1)), file]));
  const files = [...recorded.keys()]
    .sort((one, other) => recorded[other]!.requests - recorded[one]!.requests)
    .map((number): ServedFile => byNumber.get(number)!);
  const testbed = new Testbed({
    seed: 1,
    profile: SERVER_2026,
    disk: 'profile',
    diskLimit: { iops },
    image: new OverlayImage(disk.image),
    memory: new MachineMemory(machineMemoryFor(MEMORY)),
    guestMemory: MEMORY,
  });
  return testbed.simulation.runProcess('recovery', serve(testbed, files, iops, connections));
}

function* serve(testbed: Testbed, files: readonly ServedFile[], iops: number, connections: number): Process<Recovery> {
  const { simulation } = testbed;
  const { domain, kernel } = yield* testbed.start(cmdLineOf('cold', { policy: 'linux-6' }));
  const sys = kernel.syscalls;
  const random = simulation.random.stream('popularity');
  const sums = new Float64Array(files.length + 1);
  for (let rank = 0; rank < files.length; rank++) sums[rank + 1] = sums[rank]! + 1 / (rank + 1);
  let answered = 0;
  let isOver = false;
  const connection = function* (): Process {
    const buffer = new Uint8Array(BUFFER_BYTES);
    while (!isOver) {
      const { path, size } = files[lastAtMost(sums, random.fraction() * sums.at(-1)!)]!;
      sys.compute(REQUEST_NS);
      const fd = yield* sys.open(path);
      for (let sent = 0; sent < size; ) sent += yield* sys.read(fd, buffer, 0, BUFFER_BYTES);
      yield* sys.close(fd);
      yield* sys.settle();
      answered++;
    }
  };
  const tasks = Array.from({ length: connections }, (_, n) => domain.environment.spawn(`server ${n}`, connection()));
  const perSecond: number[] = [];
  for (let calm = 0; calm < CALM_SECONDS; ) {
    const { reads } = testbed.drive.counters;
    answered = 0;
    yield Ns(1e9);
    perSecond.push(answered);
    calm = testbed.drive.counters.reads - reads < iops / 10 ? calm + 1 : 0;
  }
  isOver = true;
  for (const task of tasks) yield* task.join();
  return recoveryOf(perSecond);
}

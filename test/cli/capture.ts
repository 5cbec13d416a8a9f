// Streams that remember, and an Io made of them, for the tests of cli/.
import { Writable } from 'node:stream';
import type { ProgramIo } from '../../src/cli/io.ts';
import { CHECK_ENTRIES } from '../../src/cli/checks.ts';
import type { RebootOptions } from '../../src/experiment/guest/options.ts';
import { sampleResult } from '../report/sample.ts';

export class Capture extends Writable {
  readonly isTTY: boolean;
  text = '';
  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface CapturedIo extends ProgramIo {
  readonly stdout: Capture;
  readonly stderr: Capture;
  /** The options of each experiment that was run. */
  readonly ran: RebootOptions[];
}

/** An Io whose experiment returns the made-up result at once. */
export function captureIo(cwd: string, change: Partial<ProgramIo> = {}): CapturedIo {
  const ran: RebootOptions[] = [];
  return {
    stdout: new Capture(),
    stderr: new Capture(),
    // Standard input is not a file that is open: only the tests that give one may read it.
    stdin: -1,
    colour: false,
    cwd,
    runReboot: (options) => {
      ran.push(options);
      return { result: sampleResult(), mismatches: [], notices: [] };
    },
    checks: CHECK_ENTRIES,
    ...change,
    ran,
  } as CapturedIo;
}

// `stillwarm check double` in a directory of its own (double.mjs).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckEntry } from '../../../src/cli/check/entry.ts';
import { RUNNING } from '../../../src/cli/check/options.ts';
import { main } from '../../../src/cli/commands.ts';
import { captureIo } from '../capture.ts';
import { doubleEntry } from './double.mjs';

export interface Printed {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export class CheckLab {
  readonly dir = mkdtempSync(join(tmpdir(), 'stillwarm-check-'));
  readonly #checks: readonly CheckEntry[];

  constructor(...checks: readonly CheckEntry[]) {
    this.#checks = [doubleEntry(RUNNING), ...checks];
  }

  /** Runs `stillwarm check` with the words of a line. */
  check(line: string): Printed {
    const io = captureIo(this.dir, { checks: this.#checks });
    const status = main(['check', ...line.split(' ').filter((word) => word !== '')], io);
    return { status, out: io.stdout.text, err: io.stderr.text };
  }

  read(name: string): string {
    return readFileSync(join(this.dir, name), 'utf8');
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.dir, name), text);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

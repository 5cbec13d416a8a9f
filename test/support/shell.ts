// Other programs, started by a small shell. To start a program a process is copied. That of the
// tests is large with its machines, and copying it takes as long as e2fsck for an image. So each
// such process has one shell, which it asks through named pipes, and waits.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Ended {
  /** 128 and more: a signal has ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ends, and removes its directory, when the process that asks is gone. */
const SERVER = `
exec 3< "$0/ask" 4> "$0/answer"
while IFS= read -r -d '' line <&3; do
  (exec 3<&- 4>&-; eval "$line") > "$0/out" 2> "$0/err" < /dev/null
  echo $? >&4
done
rm -rf "$0"`;

class Shell {
  readonly #dir = mkdtempSync(join(tmpdir(), 'stillwarm-shell-'));
  readonly #ask: number;
  readonly #answer: number;

  constructor() {
    execFileSync('mkfifo', ['ask', 'answer'], { cwd: this.#dir });
    spawn('bash', ['-c', SERVER, this.#dir], { stdio: 'ignore', env: { ...process.env, LC_ALL: 'C' } }).unref();
    this.#ask = openSync(join(this.#dir, 'ask'), 'w');
    this.#answer = openSync(join(this.#dir, 'answer'), 'r');
  }

  run(line: string): Ended {
    const bytes = Buffer.from(`${line}\0`);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#ask, bytes, done);
    const answer = Buffer.alloc(16);
    let length = 0;
    while (length === 0 || answer[length - 1] !== 10) {
      const read = readSync(this.#answer, answer, length, answer.length - length, null);
      if (read === 0) throw new Error('the shell of test/support/shell.ts has ended');
      length += read;
    }
    const text = (name: string): string => readFileSync(join(this.#dir, name), 'utf8');
    return { status: Number(answer.toString('latin1', 0, length)), stdout: text('out'), stderr: text('err') };
  }
}

let shell: Shell | undefined;

/** Runs a program in this process's directory, without standard input, and waits for its end. */
export function runProgram(program: string, ...args: readonly string[]): Ended {
  shell ??= new Shell();
  return shell.run([program, ...args].map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' '));
}

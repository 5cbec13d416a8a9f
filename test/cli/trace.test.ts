// `stillwarm trace` and `stillwarm capture`: what they print, write and refuse.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main, statusOf } from '../../src/cli/commands.ts';
import type { TraceResult } from '../../src/cli/trace-result.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo, type CapturedIo } from './capture.ts';

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end, as the program does. */
async function ran(cwd: string, ...argv: readonly string[]): Promise<Ran> {
  let work: Promise<number> | undefined;
  const io: CapturedIo = captureIo(cwd, {
    onEventLoop: (begin) => {
      work = begin();
      return 0;
    },
  });
  const begun = main(argv, io);
  const status = work === undefined ? begun : await work.catch((error: unknown) => statusOf(error, io.stderr));
  return { status, out: io.stdout.text, err: io.stderr.text };
}

const SPC = Array.from(
  { length: 200 },
  (_, n) => `${n % 2},${7 + 8 * (n % 50)},4096,${n % 4 === 0 ? 'w' : 'r'},${n}.5\n`,
).join('');

const inDirectory = (use: (dir: string) => Promise<void>): Promise<void> =>
  inTemporaryDirectory(async (dir) => {
    writeFileSync(join(dir, 'a.spc'), SPC);
    await use(dir);
  });

describe('trace stat', () => {
  it('trace stat says what is in a trace, as a table and as JSON', async () => {
    await inDirectory(async (dir) => {
      const { status, out, err } = await ran(dir, 'trace', 'stat', 'a.spc', '--largest', '1');
      expect([status, err]).toEqual([0, '']);
      expect(out.split('\n')[0]).toBe('a.spc: SPC-1 (spc)');
      expect(out).toContain('operations   200: read 150, write 50');
      expect(out).toContain('pages        200 accesses to 50 different ones');
      expect(out).toContain('pages begin  at sectors of 7 modulo 8');
      const json = await ran(dir, 'trace', 'stat', 'a.spc', '--json', '--device', '1');
      expect(JSON.parse(json.out)).toMatchObject({
        schema: 'stillwarm/trace@1',
        format: 'spc',
        operations: 100,
        kinds: { read: 100, write: 0 },
        distinctPages: 25,
        bytesRead: 409_600,
        spanNs: 198e9,
        leftOut: [{ what: 'requests of other devices', count: 100 }],
      } satisfies Partial<Record<keyof TraceResult, unknown>>);
    });
  });

  it.each([
    [
      ['trace'],
      /^stillwarm: trace: a command is missing: trace stat, trace head, trace convert, trace curve, trace restore /,
    ],
    [['trace', 'tail'], /^stillwarm: trace: unknown command tail; there are trace stat/],
    [['trace', 'stat'], /^stillwarm: TRACE is missing; /],
    [['trace', 'stat', '.'], /^stillwarm: TRACE: \S+ is a directory$/],
    [['trace', 'stat', 'none'], /^stillwarm: \S+none: no such file$/],
    [['trace', 'stat', 'a.spc', '--format', 'vhs'], /^stillwarm: --format: vhs is none of strace, /],
    [
      ['trace', 'stat', 'a.spc', '--format', 'arc-pages'],
      /^stillwarm: \S+a\.spc: 200 lines of 200 not understood: line 1 /,
    ],
    [['trace', 'stat', 'a.spc', '--device', '7'], /^stillwarm: \S+a\.spc: no device 7; there are 0, 1$/],
    [['trace', 'convert', 'a.spc', 'out'], /^stillwarm: OUT: \S+out does not end in \.csv, /],
    [['trace', 'convert', 'a.spc', 'a.spc', '--to', 'fio-v3'], /^stillwarm: OUT: \S+ is TRACE itself$/],
    [['capture'], /^stillwarm: COMMAND is missing; /],
  ])('the command line %j is refused in a line', async (argv, message) => {
    await inDirectory(async (dir) => {
      const { status, err } = await ran(dir, ...argv);
      expect(status).toBe(2);
      expect(err.trimEnd()).toMatch(message);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
      expect(readdirSync(dir)).toEqual(['a.spc']);
    });
  });
});

describe('trace head', () => {
  it('trace head prints the first operations', async () => {
    await inDirectory(async (dir) => {
      const { status, out } = await ran(dir, 'trace', 'head', 'a.spc', '--lines', '2');
      expect(status).toBe(0);
      const cells = out
        .split('\n')
        .slice(4, 7)
        .map((line) =>
          line
            .split('│')
            .map((cell) => cell.trim())
            .join(' '),
        );
      expect(cells).toEqual([
        ' 0.000000 s 0 write 0 4,096 4,096 ',
        ' 1.000000 s 0 read 1 8,192 4,096 ',
        '└────────────┴────────┴───────────┴──────┴───────┴───────┘',
      ]);
    });
  });
});

describe('trace convert', () => {
  it('trace convert writes a trace that has the same in it, and says what that cannot hold', async () => {
    await inDirectory(async (dir) => {
      const stat = async (...argv: readonly string[]): Promise<TraceResult> =>
        JSON.parse((await ran(dir, 'trace', 'stat', '--json', ...argv)).out) as TraceResult;
      const before = await stat('a.spc');
      const calls = await ran(dir, 'trace', 'convert', 'a.spc', 'a.csv');
      expect([calls.status, calls.err]).toEqual([0, 'stillwarm: calls does not hold that files are devices: 2\n']);
      const { operations, kinds, distinctPages, bytesRead, spanNs, largest } = await stat('a.csv');
      expect({ operations, kinds, distinctPages, bytesRead, spanNs }).toEqual({
        operations: before.operations,
        kinds: before.kinds,
        distinctPages: before.distinctPages,
        bytesRead: before.bytesRead,
        spanNs: before.spanNs,
      });
      expect(largest.map(({ name }) => name)).toEqual(['0', '1']);
      for (const [to, lost] of [
        ['fio-v3', ''],
        ['oracleGeneral', 'writes are writes: 50'],
        ['numbers-pages', 'times: 200'],
      ] as const) {
        const { status, err } = await ran(dir, 'trace', 'convert', 'a.spc', `b.${to}`, '--to', to);
        expect([status, err.includes(lost)]).toEqual([0, true]);
        expect(await stat(`b.${to}`, '--format', to)).toMatchObject({ distinctPages: 50, pageAccesses: 200 });
      }
      expect(readdirSync(dir).filter((name) => name.endsWith('.part'))).toEqual([]);
    });
  });

  it('trace convert replaces a file only when it is told to, and leaves nothing when it fails', async () => {
    await inDirectory(async (dir) => {
      writeFileSync(join(dir, 'b.iolog'), 'mine');
      const refused = await ran(dir, 'trace', 'convert', 'a.spc', 'b.iolog', '--to', 'fio-v3');
      expect(refused.err).toMatch(/^stillwarm: OUT: \S+b\.iolog exists already; --force replaces it\n$/);
      writeFileSync(join(dir, 'bad'), SPC + 'rubbish\n'.repeat(50));
      const failed = await ran(dir, 'trace', 'convert', 'bad', 'b.iolog', '--to', 'fio-v3', '--force');
      expect([failed.status, readFileSync(join(dir, 'b.iolog'), 'utf8')]).toEqual([2, 'mine']);
      expect(failed.err).toMatch(/bad: 50 lines of 250 not understood: line 201 /);
      expect((await ran(dir, 'trace', 'convert', 'a.spc', 'b.iolog', '--to', 'fio-v3', '--force')).status).toBe(0);
      expect(readFileSync(join(dir, 'b.iolog'), 'utf8')).toMatch(
        /^fio version 3 iolog\n0 0 add\n0 0 open\n0 0 write 4096 4096\n/,
      );
      expect(readdirSync(dir).sort()).toEqual(['a.spc', 'b.iolog', 'bad']);
    });
  });
});

const hasStrace = spawnSync('strace', ['-e', 'trace=none', 'true'], { stdio: 'ignore' }).status === 0;

describe('capture', () => {
  it('capture records a program, whose exit status it has', async ({ skip }) => {
    if (!hasStrace) skip('strace is not installed, or may not trace');
    await inDirectory(async (dir) => {
      writeFileSync(join(dir, 'in'), 'x'.repeat(10_000));
      const program = ['sh', '-c', 'cat in > out; exec 5< in; read line <&5; exit 7'];
      const recorded = await ran(dir, 'capture', '-o', 'r.strace', '--', ...program);
      expect(recorded.err).toMatch(/^stillwarm: \S+r\.strace: recorded; /);
      expect(recorded.status).toBe(7);
      expect(readFileSync(join(dir, 'out'), 'utf8')).toHaveLength(10_000);
      const { out } = await ran(dir, 'trace', 'stat', 'r.strace', '--json', '--largest', '1000');
      const { format, problemCount, largest } = JSON.parse(out) as TraceResult;
      expect([format, problemCount]).toEqual(['strace', 0]);
      const of = (name: string) => largest.find((file) => file.name === join(dir, name));
      expect(of('in')).toMatchObject({ pages: 3 });
      expect(of('in')!.bytesRead).toBeGreaterThanOrEqual(20_000);
      expect(of('out')).toMatchObject({ bytesWritten: 10_000, pages: 3 });
      const again = await ran(dir, 'capture', '-o', 'r.strace', '--', 'true');
      expect([again.status, again.err]).toEqual([2, expect.stringMatching(/exists already; --force replaces it, /)]);
      expect((await ran(dir, 'capture', '--force', '-o', 'r.strace', '--', 'sh', '-c', 'kill -TERM $$')).status).toBe(
        143,
      );
      const none = await ran(dir, 'capture', '-o', 'n.strace', '--', './no-such-program');
      expect([none.status, none.err]).toEqual([2, 'stillwarm: capture: strace could not begin ./no-such-program\n']);
      expect(existsSync(join(dir, 'n.strace'))).toBe(false);
      expect((await ran(dir, 'capture', 'true')).status).toBe(0);
      expect(existsSync(join(dir, 'true.strace'))).toBe(true);
    });
  });

  it('capture says how strace is installed where it is not', async () => {
    await inDirectory(async (dir) => {
      const path = process.env['PATH'];
      process.env['PATH'] = dir;
      try {
        expect(await ran(dir, 'capture', '--', 'true')).toEqual({
          status: 2,
          out: '',
          err: 'stillwarm: capture: strace is not installed: apt-get install strace, dnf install strace, or apk add strace\n',
        });
      } finally {
        process.env['PATH'] = path;
      }
    });
  });
});

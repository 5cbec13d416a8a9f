// `stillwarm check crash`, `check scope` and `check fuzz`, in this process and on tiny sizes. The
// lines that replay a violation must be true.
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCommand } from '../../../src/cli/kit/args.ts';
import { CRASH_ENTRY } from '../../../src/cli/check/crash.ts';
import type { CheckEntry } from '../../../src/cli/check/entry.ts';
import { fuzzEntry } from '../../../src/cli/check/fuzz.ts';
import { checkRuns } from '../../../src/cli/check/runs.ts';
import { SCOPE_ENTRY } from '../../../src/cli/check/scope.ts';
import { CHECK_ENTRIES } from '../../../src/cli/checks.ts';
import { COMMAND_LINES } from '../../../src/cli/command-lines.ts';
import type { Process, Program } from '../../../src/doors/machine/index.ts';
import { partsOf } from '../../../src/lab/check.ts';
import { fuzzCheckWith, parseCorpus } from '../../../src/lab/fuzz/index.ts';
import type { Violation } from '../../../src/lab/part.ts';
import { ABLATIONS } from '../../../src/lab/scope/ablations.ts';
import { CheckLab, type Printed } from './lab.ts';

/** A parser that has a mistake. */
const PLANTED: CheckEntry = {
  ...fuzzEntry(COMMAND_LINES),
  checkOf: () =>
    fuzzCheckWith({
      ...COMMAND_LINES,
      refusalOf: (argv) => {
        if (argv.includes('-x')) throw new TypeError('x is undefined');
        return COMMAND_LINES.refusalOf(argv);
      },
    }),
};

let lab: CheckLab;
beforeEach(() => {
  lab = new CheckLab(CRASH_ENTRY, SCOPE_ENTRY, PLANTED);
});
afterEach(() => lab.remove());

interface Printable {
  readonly verdict: string;
  readonly cases: number;
  readonly counts: readonly { readonly name: string; readonly value: number }[];
  readonly violations: readonly Violation[];
}
const resultOf = ({ out }: Printed): Printable => JSON.parse(out) as Printable;
const lastLine = ({ out }: Printed): string => out.trimEnd().split('\n').at(-1)!;
/** What follows `stillwarm check`. */
const wordsOf = (replay: string): string => replay.replace(/^stillwarm check /, '');

/** The line shows the violation again, and that alone. */
function replays({ law, what, replay, history }: Violation): void {
  const again = lab.check(`${wordsOf(replay)} --json`);
  expect([replay, again.status, again.err]).toEqual([replay, 1, '']);
  const { violations } = resultOf(again);
  expect(violations).toContainEqual(expect.objectContaining({ law, what, replay, history }));
}

describe('the checks of the lab', () => {
  it('each check has the name of its command, also without a program of the user', () => {
    expect(CHECK_ENTRIES.map(({ spec }) => spec.name)).toEqual([
      'check faults',
      'check crash',
      'check scope',
      'check fuzz',
    ]);
    for (const { spec, checkOf } of CHECK_ENTRIES) expect(`check ${checkOf(undefined).name}`).toBe(spec.name);
  });

  it('each check has cases by default, and its options are those of its lab', () => {
    for (const { spec, optionsOf, checkOf } of CHECK_ENTRIES)
      expect(checkOf(undefined).count(optionsOf(parseCommand(spec, []).options))).toBeGreaterThan(30);
  });

  it('every line that replays a case of the corpus is a command line', () => {
    const dir = new URL('../../../data/corpus/', import.meta.url);
    const lines = readdirSync(dir).map(
      (name) => (JSON.parse(readFileSync(new URL(name, dir), 'utf8')) as { readonly replay: string }).replay,
    );
    const commands = lines.filter((line) => line.startsWith('stillwarm '));
    expect(commands.length).toBeGreaterThan(1);
    for (const line of commands)
      expect([line, COMMAND_LINES.refusalOf(line.split(' ').slice(1))]).toEqual([line, undefined]);
    expect(lastLine(lab.check(wordsOf(commands.find((line) => line.includes('--kind table'))!)))).toBe(
      '1 state, 1 of 1 case covered, 0 violations',
    );
  });
});

describe('stillwarm check crash', () => {
  const TINY = 'crash --workload read-only --fs ext2 --strategy cold --kind power --depth 1 --crash sample:3';

  it('stillwarm check crash ends with 0, and its last line has states, steps of steps, and violations', () => {
    const printed = lab.check(TINY);
    expect([printed.status, printed.err]).toEqual([0, '']);
    expect(printed.out).toContain('\nnever reached: a journal is replayed\n');
    const { verdict, cases, counts } = resultOf(lab.check(`${TINY} --json`));
    expect([verdict, cases]).toEqual(['passed', 3]);
    const steps = counts.find(({ name }) => name === 'steps counted')!.value;
    expect(steps).toBeGreaterThan(100);
    expect(lastLine(printed)).toBe(`3 states, 3 of ${steps} steps covered, 0 violations`);
    // Memory is lost with the power. After a crash of the hypervisor it may have half of a copy.
    const torn = lastLine(lab.check(TINY.replace('power', 'hypervisor')));
    expect(torn).toMatch(
      new RegExp(`^3 states, [0-3] of ${steps} steps and [0-3] of \\d+ cuts covered, 0 violations$`),
    );
  });

  it('one case of stillwarm check crash, whose part counts no steps, says cases', () => {
    expect(lastLine(lab.check(`${TINY} --case 2`))).toBe('1 state, 1 of 1 case covered, 0 violations');
  });

  it('a crash that is found without a protection is found again by its line, and not with the protection', () => {
    const found = lab.check(
      'crash --workload truncate --fs ext2 --kind guest --depth 1 --crash sample:2 --without writeProtection,checksum --json',
    );
    expect(found.status).toBe(1);
    const [first] = resultOf(found).violations;
    replays(first!);
    expect(first!.history.length).toBeGreaterThan(0);
    const protectedLine = wordsOf(first!.replay).replace(' --without writeProtection,checksum', '');
    expect(lab.check(protectedLine).status).toBe(0);
  });

  it.each([
    ['--at 5', '--at: add --kind with the one that stops there'],
    [
      '--at 5,x --kind guest',
      '--at: 5,x is not one to three of STEP or STEP:LINES such as 345:12,7, nor STEP=SUBSET first',
    ],
    [
      '--at 1,2,3,4 --kind guest',
      '--at: 1,2,3,4 is not one to three of STEP or STEP:LINES such as 345:12,7, nor STEP=SUBSET first',
    ],
    ['--at 99999 --kind power --workload read-only', 'at: the workload has '],
    ['--at 5,7=1 --kind power', '--at: 5,7=1 is not one to three of '],
    ['--at 5=1 --kind guest', 'at: a subset is that of a first loss of power'],
    ['--at 5=1 --kind power --workload read-only', 'at: the drive has 1 subset of blocks there'],
    ['--crash sample:0', '--crash: sample:0 is neither every, every-line nor a sample such as sample:600'],
    ['--crash some', '--crash: some is neither every, every-line nor a sample such as sample:600'],
    ['--workload none', '--workload: none is none of mixed, '],
    ['--workload a.ts', 'cannot read a.ts: no such file'],
    ['--depth 4', '--depth: 4 is not an integer of 1 to 3'],
  ])('the mistake %s is one line, and the status is 2', (line, message) => {
    const { status, out, err } = lab.check(`crash ${line}`);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^[^\n]*\n$/);
    expect(err.startsWith(`stillwarm: ${message}`) ? message : err).toBe(message);
  });

  describe("with a user's program", () => {
    const options = {
      ...{ fs: 'ext3', kinds: ['power'], crash: { sample: 3 }, seed: 1, depth: 1, without: [] },
      workload: { file: 'my program.ts', crc32c: 1 },
    };
    const written: Program = function* (sys): Process {
      const fd = yield* sys.open('/new', 0o102);
      yield* sys.write(fd, new Uint8Array(5000), 0, 5000);
      yield* sys.fsync(fd);
      yield* sys.close(fd);
    };
    const play = (program: Program): unknown => {
      const parts = partsOf('crash', options, 3, 3);
      const job = { command: 'check crash', options, parts, partBytes: 1, endMs: undefined };
      return checkRuns(CHECK_ENTRIES, program)
        .open({ ...job, programFile: '/user/my program.ts' }, () => undefined, undefined)
        .run(0, () => undefined);
    };

    it("a user's program that writes and syncs passes, and the part keeps what its cases hang on", () => {
      expect(play(written)).toMatchObject({ done: 3, violations: [], part: { options }, counts: { states: 3 } });
    });

    it("a user's program that throws is named with the step", () => {
      expect(() =>
        play(function* (sys): Process {
          yield* sys.mkdir('/d');
          throw new Error('no more');
        }),
      ).toThrow(/^\/user\/my program\.ts: it throws at step \d+: no more$/);
    });
  });
});

describe('stillwarm check scope', () => {
  it('stillwarm check scope searches one scope, and its last line counts', () => {
    const printed = lab.check('scope --scope generations --states 2000');
    expect([printed.status, printed.err]).toEqual([0, '']);
    expect(printed.out).toMatch(/\n│ generations │ +2,\d\d\d │ +\d+ │ no +│ +0 │\n/);
    expect(lastLine(printed)).toMatch(/^2,\d\d\d states, 1 of 1 search covered, 0 violations$/);
  });

  it('stillwarm check scope without a protection prints the shortest history, and ends with 1', () => {
    const printed = lab.check('scope --without scrub');
    expect(printed.status).toBe(1);
    expect(printed.out).toBe(
      [
        'without scrub, which guards against bytes that another owner reads',
        '',
        'search 0: blank: a frame is handed on with the bytes of its last owner',
        '  the guest stores to frame 0',
        '  the guest gives frame 0 back',
        '  the other guest is given frame 0',
        'replay: stillwarm check scope --without scrub',
        '',
        '115 states, 1 of 1 search covered, 1 violation',
        '',
      ].join('\n'),
    );
  });

  it('a protection without which nothing is found breaks the check, and is found again by its line', () => {
    const found = lab.check('scope --states 300 --json');
    expect(found.status).toBe(1);
    const { violations, cases } = resultOf(found);
    expect(cases).toBe(7 + ABLATIONS.length);
    const { law, what, replay } = violations[0]!;
    expect([law, replay]).toEqual(['ablation', 'stillwarm check scope --states 300 --case 7']);
    expect(what).toMatch(/^without writeProtection the law takeover is not broken in 3\d\d states$/);
    replays(violations[0]!);
    const { out } = lab.check('scope --states 300');
    expect(out).toMatch(/│ writeProtection +│ stores that nothing sees +│ none +│\n/);
    expect(out).toMatch(/│ scrub +│ bytes that another owner reads +│ 3 +│\n/);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('shards of stillwarm check scope join to the result of the whole, byte for byte', () => {
    const line = 'scope --states 300';
    for (const number of [1, 2, 3]) lab.check(`${line} --shard ${number}/3 --out ${number}.json`);
    for (const form of ['', '--json'])
      expect(lab.check(`merge 3.json 1.json 2.json ${form}`)).toEqual(lab.check(`${line} ${form}`));
  });

  it('a scope beside an ablation is refused', () => {
    expect(lab.check('scope --scope wide --without scrub')).toEqual({
      status: 2,
      out: '',
      err: 'stillwarm: --scope: --without has a scope of its own, so ask for one of the two\n',
    });
  });

  it('the lines of docs/reference/protections.md are commands, and print the steps of that page', () => {
    const page = readFileSync(new URL('../../../docs/reference/protections.md', import.meta.url), 'utf8');
    const lines = [...page.matchAll(/^stillwarm check (scope --without \w+)$/gm)].map(([, line]) => line!);
    expect(lines.toSorted()).toEqual(ABLATIONS.map(({ name }) => `scope --without ${name}`).toSorted());
    for (const name of ['provenance', 'setAside']) {
      const { status, out } = lab.check(lines.find((line) => line.endsWith(` ${name}`))!);
      expect(status).toBe(1);
      const section = page.slice(page.indexOf(`\n### ${name}\n`)).split('```sh')[0]!;
      const steps = [...section.matchAll(/^\d+\. (.*)\.$/gm)].map(
        ([, step]) => `  ${step![0]!.toLowerCase()}${step!.slice(1)}`,
      );
      expect(steps.length).toBe(ABLATIONS.find((each) => each.name === name)!.steps);
      expect(out).toContain(`\n${steps.join('\n')}\n`);
    }
  });
});

describe('stillwarm check fuzz', () => {
  it('stillwarm check fuzz ends with 0, and its last line counts', () => {
    const printed = lab.check('fuzz --kind table --cases 40 --seed 2');
    expect([printed.status, printed.err]).toEqual([0, '']);
    expect(lastLine(printed)).toBe('40 states, 40 of 40 cases covered, 0 violations');
    const { verdict, counts } = resultOf(lab.check('fuzz --kind table --cases 40 --seed 2 --json'));
    expect(verdict).toBe('passed');
    expect(counts).toContainEqual({ name: 'cases', value: 40 });
  });

  it('a case of stillwarm check fuzz that breaks a law is kept, shrunk, and found again by its line', () => {
    const line = 'fuzz --kind options --cases 300 --keep kept/here';
    const printed = lab.check(line);
    expect([printed.status, printed.err]).toEqual([1, '']);
    const files = [...printed.out.matchAll(/^kept: (kept\/here\/options-1-\d+\.json)$/gm)].map(([, name]) => name!);
    const { violations } = resultOf(lab.check(`${line} --json`));
    expect(files.length).toBe(violations.length);
    expect(files.length).toBeGreaterThan(0);
    const entry = parseCorpus(lab.read(files[0]!));
    expect(entry).toMatchObject({ kind: 'options', law: 'every refusal is typed', what: 'TypeError: x is undefined' });
    expect(entry.case.edits.length).toBeLessThanOrEqual(1);
    expect(entry.replay).toBe(violations[0]!.replay);
    replays(violations[0]!);
  });

  it('the files of --keep are not written where nothing breaks', () => {
    expect(lab.check('fuzz --kind table --cases 5 --keep kept').status).toBe(0);
    expect(() => lab.read('kept/one.json')).toThrow(/ENOENT/);
    lab.write('file', '');
    expect(lab.check('fuzz --kind table --cases 5 --keep file')).toMatchObject({ status: 2, out: '' });
  });

  it('shards of stillwarm check fuzz join to the result of the whole, byte for byte', () => {
    const line = 'fuzz --kind options --cases 100';
    for (const number of [1, 2, 3]) lab.check(`${line} --shard ${number}/3 --out ${number}.json`);
    for (const form of ['', '--json'])
      expect(lab.check(`merge 3.json 1.json 2.json ${form}`)).toEqual(lab.check(`${line} ${form}`));
  });
});

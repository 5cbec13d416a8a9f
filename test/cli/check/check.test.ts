// `stillwarm check` around a check that costs nothing (double.mjs): exit statuses, files,
// shards, and what is refused.
import fc from 'fast-check';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAULTS_ENTRY } from '../../../src/cli/check/faults.ts';
import { parseRunFile } from '../../../src/cli/check/file.ts';
import { InputError } from '../../../src/base/index.ts';
import { property } from '../../support/property.ts';
import { CheckLab, type Printed } from './lab.ts';

let lab: CheckLab;
beforeEach(() => {
  lab = new CheckLab(FAULTS_ENTRY);
});
afterEach(() => lab.remove());

describe('stillwarm check', () => {
  it('stillwarm check ends with 0 when every law held, and its last line counts', () => {
    const { status, out, err } = lab.check('double --cases 1234');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(
      /^states: 2,468\nsum: [\d,]+\nreached even: 617\n\n2,468 states, 1,234 of 1,234 cases covered, 0 violations\n$/,
    );
  });

  it('stillwarm check ends with 1 when a law did not hold, with the history and a line to replay it', () => {
    const { status, out } = lab.check('double --cases 9 --wrong 7,2');
    expect(status).toBe(1);
    expect(out).toContain('case 2: first law: <2> & "more"\n  one\n  two\u0001\nreplay: play 2\n\ncase 2: second law:');
    expect(out.indexOf('case 2')).toBeLessThan(out.indexOf('case 7'));
    expect(out).toMatch(/\n18 states, 9 of 9 cases covered, 4 violations\n$/);
  });

  it('stillwarm check ends with 3 when the budget ended first, and says how far it came', () => {
    const { status, out } = lab.check('double --cases 9 --budget 0s');
    expect(status).toBe(3);
    expect(out).toMatch(/\npartial: 0 of 9 cases were played\n0 states, 0 of 9 cases covered, 0 violations\n$/);
    const some = lab.check('double --cases 50000 --weigh 5 --budget 700ms --json');
    expect(some.status).toBe(3);
    const { verdict, done, cases } = JSON.parse(some.out) as Record<string, unknown>;
    expect({ verdict, cases }).toEqual({ verdict: 'partial', cases: 50_000 });
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(1000);
  });

  it('stillwarm check ends with 1 when it finds a violation and the budget ends', () => {
    expect(lab.check('double --cases 50000 --weigh 20 --budget 700ms --wrong 0').status).toBe(1);
  });

  it('stillwarm check names a state that was never reached, and that is no failure of the user', () => {
    const { status, out } = lab.check('double --missed');
    expect(status).toBe(0);
    expect(out).toContain('\nnever reached: the moon\n');
    expect(lab.check('double').out).not.toContain('never reached');
  });

  it('stillwarm check prints 20 violations in full and counts the others', () => {
    const wrong = Array.from({ length: 12 }, (_, n) => n).join(',');
    const { out } = lab.check(`double --cases 12 --wrong ${wrong}`);
    expect(out.match(/replay: /g)).toHaveLength(20);
    expect(out).toContain('\nand 4 violations more\n');
  });

  it('stillwarm check plays one case alone', () => {
    const one = (line: string): unknown => JSON.parse(lab.check(`double ${line} --json`).out);
    expect(one('--wrong 7,2 --case 7')).toMatchObject({ cases: 1, done: 1, violations: [{ at: 7 }, { at: 7 }] });
    expect(one('--wrong 7,2 --case 6')).toMatchObject({ verdict: 'passed', violations: [] });
  });

  it('stillwarm check --help lists the checks', () => {
    for (const word of ['--help', '-h']) {
      const { status, out } = lab.check(word);
      expect(status).toBe(0);
      expect(out).toMatch(
        /^Usage: stillwarm check COMMAND \[OPTION\]\.\.\.\n[^]*\n {2}check faults [^]*\n {2}check merge /,
      );
    }
  });

  it.each([
    ['', /^stillwarm: check: a command is missing: check double, check faults, check protocol, check merge /],
    [
      'faulst',
      /^stillwarm: check: unknown command faulst; there are check double, check faults, check protocol, check merge /,
    ],
    ['double --shard 3/2 --out a', /^stillwarm: --shard: 3\/2 is not a part of 1000 or less, such as 2\/5\n$/],
    ['double --shard 0/2 --out a', /^stillwarm: --shard: 0\/2 is not/],
    ['double --shard 1/2', /^stillwarm: --shard: add --out FILE/],
    ['double --budget 10', /^stillwarm: --budget: 10 is not a time such as 500ms, 30s, 10m or 2h\n$/],
    ['double --budget -1s', /^stillwarm: --budget: -1s is not a time/],
    ['double --case 10', /^stillwarm: --case: 10 is not 0 to 9\n$/],
    ['double --case 1 --shard 1/2 --out a', /^stillwarm: --case: one case is no shard/],
    ['double --out none/a', /^stillwarm: --out: [^\n]*none does not exist\n$/],
    ['double --out a --junit a', /^stillwarm: --junit: [^\n]* is written by --out, too\n$/],
    ['double --resume none', /^stillwarm: cannot read none: no such file\n$/],
    ['merge', /^stillwarm: FILE is missing; usage: stillwarm check merge \[OPTION\]\.\.\. FILE\.\.\.\n$/],
    ['merge none', /^stillwarm: cannot read none: no such file\n$/],
  ])('the mistake "check %s" is one line and status 2, and nothing is written', (line, message) => {
    const { status, out, err } = lab.check(line);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(message);
    expect(readdirSync(lab.dir)).toEqual([]);
  });
});

const LINE = 'double --cases 600 --wrong 17,599 --missed';

/** The files of all shards, in an order. */
function shards(of: number, line = LINE): string[] {
  return Array.from({ length: of }, (_, n) => {
    lab.check(`${line} --shard ${n + 1}/${of} --out ${of}-${n + 1}.json`);
    return `${of}-${n + 1}.json`;
  });
}

const merge = (names: readonly string[], more = ''): Printed => lab.check(`merge ${names.join(' ')} ${more}`);

describe('shards', () => {
  it.each([1, 2, 3, 4, 5])(
    '%i shards join to what one run prints, as text, as JSON and as XML, byte for byte',
    (of) => {
      const files = shards(of);
      for (const more of ['', '--json', '--junit x.xml']) {
        const one = lab.check(`${LINE} ${more}`);
        const xml = more.includes('junit') ? lab.read('x.xml') : '';
        expect(one.status).toBe(1);
        for (const names of [files, [...files].reverse(), [...files.slice(1), files[0]!]]) {
          expect(merge(names, more)).toEqual(one);
          if (xml !== '') expect(lab.read('x.xml')).toBe(xml);
        }
      }
    },
  );

  it('shards that a budget has cut join to a partial result', () => {
    lab.check('double --shard 1/2 --out a');
    lab.check('double --shard 2/2 --out b --budget 0s');
    const { status, out } = merge(['b', 'a']);
    expect(status).toBe(3);
    expect(out).toMatch(/\n10 states, 5 of 10 cases covered, 0 violations\n$/);
  });

  it('shards that are missing or there twice are named', () => {
    const [a, b, c, d] = shards(4, 'double') as [string, string, string, string];
    expect(merge([a, c])).toMatchObject({ status: 2, err: 'stillwarm: shards 2, 4 of 4 missing\n' });
    expect(merge([d, b, c])).toMatchObject({ status: 2, err: 'stillwarm: shard 1 of 4 missing\n' });
    expect(merge([a, b, c, d, b])).toMatchObject({ status: 2, err: `stillwarm: ${b} and ${b} are both shard 2/4\n` });
    const [half] = shards(2, 'double');
    expect(merge([a, half!]).err).toBe('stillwarm: 2-1.json is one of 2 shards, 4-1.json one of 4\n');
  });

  it('shards of different checks, options and versions are refused', () => {
    lab.check('double --shard 1/2 --out a');
    lab.check('double --shard 2/2 --cases 11 --out b');
    expect(merge(['a', 'b']).err).toMatch(
      /^stillwarm: b is of another run than a: its options is \{"cases":11,[^\n]*\n$/,
    );
    lab.check('double --shard 2/2 --out b');
    const other = (from: string, to: string): string => {
      lab.write('c', lab.read('b').replace(from, to));
      return merge(['a', 'c']).err;
    };
    expect(other('"version":"', '"version":"9')).toMatch(/^stillwarm: c is of another run than a: its version is "9/);
    expect(other('"check":"double"', '"check":"triple"')).toMatch(
      /^stillwarm: c is of another run than a: its check is "triple"/,
    );
    lab.write('d', lab.read('a').replace('"check":"double"', '"check":"triple"').replace('"of":2', '"of":1'));
    expect(merge(['d']).status).toBe(2);
  });
});

describe('a run that goes on', () => {
  it('a run that goes on from any file ends with the result of one run, and plays only what is left', () => {
    const whole = lab.check(`${LINE} --json`);
    lab.check(`${LINE} --out part --budget 0s`);
    // Nothing is begun for which there is no time.
    expect(JSON.parse(lab.read('part'))).toMatchObject({ results: [] });
    expect(lab.check(`${LINE} --resume part --json`)).toEqual(whole);
    // Now it is all played.
    expect(lab.check(`${LINE} --resume part --json --budget 0s`)).toEqual(whole);
    const text = lab.read('part');
    const { results, ...rest } = JSON.parse(text) as { results: { done: number }[] };
    // A part that was cut counts as one that was not played.
    const cut = results.map((result, n) => (n === 3 ? { ...result, done: 1, counts: { sum: 77 } } : result));
    lab.write('part', JSON.stringify({ ...rest, results: cut.slice(0, 20) }));
    expect(lab.check(`${LINE} --resume part --out other --json`)).toEqual(whole);
    expect(lab.read('other')).toBe(text);
    expect(lab.check(`${LINE} --resume part --budget 0s`).status).toBe(1);
  });

  it('a run that goes on from a budget, again and again, comes to the end', () => {
    const line = 'double --cases 60 --weigh 4';
    const whole = lab.check(`${line} --json`);
    let last = lab.check(`${line} --out part --budget 80ms --json`);
    expect(last.status).toBe(3);
    for (let times = 0; last.status === 3 && times < 200; times++)
      last = lab.check(`${line} --resume part --budget 80ms --json`);
    expect(last).toEqual(whole);
  });

  it('a run that goes on from a file of other options is refused, and the file stays', () => {
    lab.check('double --out part');
    const before = lab.read('part');
    for (const [line, key] of [
      ['double --cases 11', 'options'],
      ['double --shard 1/2', 'shard'],
      ['faults', 'check'],
    ] as const) {
      const { status, err } = lab.check(`${line} --resume part`);
      expect(status).toBe(2);
      expect(err).toMatch(new RegExp(`^stillwarm: --resume: part is of another run: its ${key} is `));
    }
    expect(lab.read('part')).toBe(before);
    lab.write('old', before.replace('"version":"', '"version":"0.'));
    expect(lab.check('double --resume old').err).toMatch(
      /^stillwarm: --resume: old is of another run: its version is "0\./,
    );
    expect(existsSync(join(lab.dir, 'part'))).toBe(true);
  });
});

describe('the file of a run', () => {
  const SMALL = 'double --cases 3 --wrong 1 --missed --out file';

  property(
    'the file of a run is read, or refused in one line that names it, whatever has become of it',
    fc.nat(),
    fc.constantFrom<unknown>(null, -1, 0, 1.5, 3, 'x', [], {}, [null], { from: 0 }, Number.MAX_VALUE),
    fc.nat(4000),
    (which, value, length) => {
      lab.check(SMALL);
      const text = lab.read('file');
      const root = JSON.parse(text) as Record<string, unknown>;
      const places: [Record<string, unknown>, string][] = [];
      const walk = (at: unknown): void => {
        if (typeof at !== 'object' || at === null) return;
        for (const key of Object.keys(at)) {
          places.push([at as Record<string, unknown>, key]);
          walk((at as Record<string, unknown>)[key]);
        }
      };
      walk(root);
      const [holder, key] = places[which % places.length]!;
      holder[key] = value;
      for (const bad of [JSON.stringify(root), text.slice(0, length)])
        try {
          parseRunFile('file', bad);
        } catch (error) {
          if (!(error instanceof InputError) || !/^file: [^\n]*$/.test(error.message)) throw error;
        }
    },
  );

  it.each([
    ['', /^stillwarm: file: not JSON/],
    ['[]', /^stillwarm: file: the text: expected an object/],
    ['{"schema":"stillwarm/check@1"}', /^stillwarm: file: schema: expected stillwarm\/check-file@1: /],
  ])('the file %j is refused by check merge', (text, message) => {
    lab.write('file', text);
    const { status, err } = merge(['file']);
    expect(status).toBe(2);
    expect(err).toMatch(message);
  });

  it('a file of a run that has a part twice, or a part of another shard, is refused', () => {
    lab.check('double --cases 4 --shard 1/2 --out file');
    const root = JSON.parse(lab.read('file')) as { results: { from: number }[] };
    const [a, b] = root.results;
    for (const results of [[a, a], [a, { ...b, from: 1, to: 2 }], [{ ...a, done: 2 }]]) {
      lab.write('file', JSON.stringify({ ...root, results }));
      expect(merge(['file']).err).toMatch(/^stillwarm: file: results\[\d\](\.done)?: expected /);
    }
  });
});

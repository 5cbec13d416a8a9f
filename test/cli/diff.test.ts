import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import { sampleResult } from '../report/sample.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';
import { captureIo } from './capture.ts';

let dir = '';
const put = (name: string, content: unknown): void =>
  writeFileSync(
    join(dir, name),
    content instanceof Uint8Array || typeof content === 'string' ? content : JSON.stringify(content),
  );

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-diff-'));
  const { strategies, ...rest } = sampleResult();
  put('a.json', sampleResult());
  // 23.1 s in a.json: 5 % more.
  put('b.json', { ...rest, strategies: [{ ...strategies[0]!, rebootNs: 24_255_000_000 }, ...strategies.slice(1)] });
  put('vmm.json', sampleVmmResult());
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(...argv: string[]): { status: number; out: string; err: string } {
  const io = captureIo(dir);
  const status = main(['diff', ...argv], io);
  return { status, out: io.stdout.text, err: io.stderr.text };
}

/** With this file as standard input. */
function runWith(input: string, ...argv: string[]): { status: number; out: string; err: string } {
  const stdin = openSync(join(dir, input), 'r');
  try {
    const io = captureIo(dir, { stdin });
    const status = main(['diff', ...argv], io);
    return { status, out: io.stdout.text, err: io.stderr.text };
  } finally {
    closeSync(stdin);
  }
}

describe('diff', () => {
  it('diff prints that two results are the same, exit status 0', () => {
    const { status, out, err } = run('a.json', 'a.json');
    expect([status, err]).toEqual([0, '']);
    expect(out).toMatch(
      /^A: a\.json\nB: a\.json\nstillwarm\/reboot@1\n\nsame: 18 inputs and [\d,]+ figures compared; /,
    );
  });

  it('diff prints what differs, exit status 1, and 0 when that is within the tolerance', () => {
    const { status, out } = run('a.json', 'b.json');
    expect(status).toBe(1);
    expect(out).toContain('│ rebootNs │ 23.1 s │ 24.3 s │ +1.16 s │ +5.00 % │\n');
    expect(run('a.json', 'b.json', '--tolerance', '4.999999').status).toBe(1);
    const { status: within, out: printed } = run('--tolerance=5', 'a.json', 'b.json');
    expect(within).toBe(0);
    expect(printed).toMatch(/ compared, 1 of them within 5 %; digest /);
    expect(run('b.json', 'a.json', '--tolerance', '5').status).toBe(0);
  });

  it('diff compares only figures whose path has a text, and refuses a text that none has', () => {
    expect(run('a.json', 'b.json', '--only', 'warm-cache]').status).toBe(0);
    expect(run('a.json', 'b.json', '--only', 'rebootNs').status).toBe(1);
    expect(run('a.json', 'b.json', '--only', 'rebootMs')).toEqual({
      status: 2,
      out: '',
      err: 'stillwarm: --only: no figure has rebootMs in its path\n',
    });
  });

  it('diff prints one JSON object of the change', () => {
    const { status, out } = run('a.json', 'b.json', '--json');
    expect(status).toBe(1);
    expect(out).toMatch(/^[^\n]*\n$/);
    expect(JSON.parse(out)).toMatchObject({
      ...{ schema: 'stillwarm/diff@1', of: 'stillwarm/reboot@1', differs: true, tolerance: 0, only: '' },
      digests: { a: '0123456789abcdef', b: '0123456789abcdef' },
      inputs: { compared: 18, same: 18, within: 0, changed: [], onlyInA: [], onlyInB: [] },
      figures: {
        within: 0,
        changed: [
          {
            path: 'strategies[cold].rebootNs',
            ...{ unit: 'ns', a: 23_100_000_000, b: 24_255_000_000, difference: 1_155_000_000, percent: 5 },
          },
        ],
        onlyInA: [],
        onlyInB: [],
      },
    });
  });

  it('diff reads standard input for -, once', () => {
    const file = run('a.json', 'b.json');
    expect(runWith('a.json', '-', 'b.json').out).toBe(file.out.replace('A: a.json', 'A: standard input'));
    expect(runWith('b.json', 'a.json', '-').out).toBe(file.out.replace('B: b.json', 'B: standard input'));
    expect(run('-', '-')).toEqual({
      status: 2,
      out: '',
      err: 'stillwarm: A.json and B.json are both -, but standard input is one\n',
    });
  });

  it('diff refuses what is no result in one line, exit status 2', () => {
    put('torn.json', JSON.stringify(sampleResult()).slice(0, 30));
    put('empty.json', '');
    put('list.json', []);
    put('other.json', { schema: 'stillwarm/reboot@2' });
    put('hostile.json', { schema: '__proto__\u001b[31m' });
    put('digest.json', { schema: 'stillwarm/reboot@1', digest: 17 });
    put('latin.json', Buffer.from([0x22, 0xe9, 0x22]));
    put('huge.json', '');
    truncateSync(join(dir, 'huge.json'), 2 ** 33);
    mkdirSync(join(dir, 'folder'));
    const known =
      'stillwarm/reboot@1, stillwarm/vmm-reboot@1, stillwarm/web@1, stillwarm/predict@1, stillwarm/paper@1, stillwarm/profile@1, stillwarm/check@1, stillwarm/check-protocol@1, stillwarm/inspect@1, stillwarm/trace@1, stillwarm/curve@1, stillwarm/restore@1';
    for (const [name, message] of [
      ['torn.json', "torn.json: line 1, column 31: expected ',' or '}'"],
      ['empty.json', 'empty.json: line 1, column 1: expected a value'],
      ['list.json', 'list.json: not the result of a command: it is not an object with a schema'],
      ['other.json', `other.json: schema "stillwarm/reboot@2" is none of ${known}`],
      ['hostile.json', `hostile.json: schema "__proto__\\u001b[31m" is none of ${known}`],
      ['digest.json', 'digest.json: digest is not a string'],
      ['latin.json', 'latin.json: not text in UTF-8'],
      ['huge.json', 'huge.json: more than 64MiB: not the result of a command'],
      ['folder', 'cannot read folder: is a directory'],
      ['nowhere.json', 'cannot read nowhere.json: no such file'],
      ['/dev/zero', 'cannot read /dev/zero: not a regular file'],
    ] as const)
      for (const argv of [
        [name, 'a.json'],
        ['a.json', name],
      ])
        expect(run(...argv)).toEqual({ status: 2, out: '', err: `stillwarm: ${message}\n` });
    expect(run('a.json', 'vmm.json').err).toBe(
      'stillwarm: A.json is stillwarm/reboot@1, B.json is stillwarm/vmm-reboot@1: only results of one command are compared\n',
    );
    expect(run('a.json').err).toBe('stillwarm: B.json is missing; usage: stillwarm diff [OPTION]... A.json B.json\n');
    expect(runWith('huge.json', '-', 'a.json').err).toBe(
      'stillwarm: standard input: more than 64MiB: not the result of a command\n',
    );
  });

  it('diff does not print onto what it reads', () => {
    const fd = openSync(join(dir, 'a.json'), 'r');
    const io = captureIo(dir, { hostStreams: [{ name: 'standard output', fd }] });
    expect(main(['diff', 'b.json', 'a.json'], io)).toBe(2);
    closeSync(fd);
    expect(io.stderr.text).toBe('stillwarm: standard output is B.json itself\n');
  });
});

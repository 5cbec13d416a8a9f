import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/options.ts';
import { main } from '../../src/cli/commands.ts';
import { captureIo } from './capture.ts';

const run = (...argv: string[]): { status: number; out: string; err: string; ran: number } => {
  const io = captureIo('/');
  const status = main(argv, io);
  return { status, out: io.stdout.text, err: io.stderr.text, ran: io.ran.length };
};

describe('the program', () => {
  it('the program prints its help and its version', () => {
    expect(run('--help')).toMatchObject({ status: 0, err: '' });
    expect(run('-h').out).toBe(run('--help').out);
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(run('--version')).toMatchObject({ status: 0, out: `${version}\n`, err: '' });
  });

  it.each(COMMANDS.map(({ name }) => name))('the command %s --help prints its help and runs nothing', (name) => {
    const { status, out, err, ran } = run(...name.split(' '), '--help', '--nonsense');
    expect({ status, err, ran }).toEqual({ status: 0, err: '', ran: 0 });
    expect(out).toMatch(new RegExp(`^Usage: stillwarm ${name} \\[OPTION\\]...`));
  });

  it.each([
    [
      [],
      /^stillwarm: a command is missing: reboot, vmm-reboot, web, predict, paper, profile, calibrate, mkfs, inspect, check, worker, diff, trace, capture \(see stillwarm --help\)\n$/,
    ],
    [
      ['rebot'],
      /^stillwarm: unknown command rebot; there are reboot, vmm-reboot, web, predict, paper, profile, calibrate, mkfs, inspect, check, worker, diff, trace, capture \(see stillwarm --help\)\n$/,
    ],
    [['--json', 'reboot'], /^stillwarm: the command comes first, before --json: reboot, [^\n]*\n$/],
    [['toString'], /^stillwarm: unknown command toString; /],
    [['reboot', '--sede', '1'], /^stillwarm: unknown option --sede; reboot takes --memory, [^\n]*\n$/],
    [['reboot', '--arch', 'z80'], /^stillwarm: --arch: z80 is none of x86_64, x86_32\n$/],
    [['vmm-reboot', '--arch', 'z80'], /^stillwarm: --arch: z80 is none of x86_64, x86_32\n$/],
    [['check', 'faults', '--arch', 'z80'], /^stillwarm: --arch: z80 is none of x86_64, x86_32\n$/],
    [
      ['reboot', '--profile', 'z80'],
      /^stillwarm: --profile: z80 is none of pentium4-2006, server-2026, nor a file, [^\n]*\n$/,
    ],
    [['mkfs', '/nowhere', '/nowhere/a.img'], /^stillwarm: DIR: \/nowhere is not a directory\n$/],
    [['inspect', '/nowhere'], /^stillwarm: cannot read \/nowhere: no such file\n$/],
    [['reboot', '/no\nwhere'], /^stillwarm: PATH: [^\n]*\n$/],
  ])('the mistake %j is one line on standard error and status 2', (argv, message) => {
    const { status, out, err, ran } = run(...argv);
    expect({ status, out, ran }).toEqual({ status: 2, out: '', ran: 0 });
    expect(err).toMatch(message);
  });

  it('the program lets a defect of its own through', () => {
    const io = captureIo('/', {
      runReboot: () => {
        throw new RangeError('a defect');
      },
    });
    expect(() => main(['reboot', '/'], io)).toThrow(RangeError);
  });
});

describe('the entry', () => {
  it('the entry is what package.json says, and a script', () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const { bin } = JSON.parse(text) as { bin: { stillwarm: string } };
    const source = new URL(`../../${bin.stillwarm.replace('dist/', 'src/').replace(/\.js$/, '.ts')}`, import.meta.url);
    expect(existsSync(source)).toBe(true);
    expect(readFileSync(source, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});

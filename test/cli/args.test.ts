import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MOST_FRAMES, PAGE_SIZE, UserError } from '../../src/base/index.ts';
import {
  CAMPAIGN,
  COMMANDS,
  commandHelp,
  parseChoice,
  parseCommand,
  parseList,
  parseMemory,
  parseSeed,
  parseSize,
  programHelp,
  REBOOT,
  sizeText,
  VMM_REBOOT,
} from '../../src/cli/args.ts';
import { main } from '../../src/cli/commands.ts';
import { checkRoom } from '../../src/cli/room.ts';
import { PROTECTIONS } from '../../src/experiment/campaign/options.ts';
import { DISKS, PROFILES, STRATEGIES, WORKLOADS } from '../../src/experiment/guest/options.ts';
import { VMM_STRATEGIES } from '../../src/experiment/vmm/options.ts';
import { guestMemoryMax, machineMemoryFor } from '../../src/experiment/guest/testbed.ts';
import { property } from '../support/property.ts';
import { captureIo } from './capture.ts';

/** The message of the UserError that `call` throws; it must be one line. */
function mistake(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.message.includes('\n')) throw new Error(`not one line: ${error.message}`);
    return error.message;
  }
  throw new Error('accepted');
}

const never = (): never => {
  throw new Error('ran');
};

describe('the table of options', () => {
  const page = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8');

  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    '%s: each option is in its help and in cli.md',
    (name, command) => {
      const section = page.split(`\n## stillwarm ${name}\n`)[1]!.split('\n## ')[0]!;
      const documented = [...section.matchAll(/^\| `(--[^`]+)` \|/gm)].map(([, option]) => option);
      const options = command.options.map((option) => `--${option.name}${'value' in option ? ` ${option.value}` : ''}`);
      expect(documented).toEqual(options);
      const help = commandHelp(command);
      for (const option of options) expect(help).toMatch(new RegExp(`^ {2}${option}( |$)`, 'm'));
      expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
      expect(programHelp()).toContain(`  ${name}`);
    },
  );

  it.each([
    ['reboot', '--profile NAME', REBOOT, PROFILES],
    ['reboot', '--disk NAME', REBOOT, DISKS],
    ['reboot', '--workload NAME', REBOOT, WORKLOADS],
    ['reboot', '--strategy LIST', REBOOT, STRATEGIES],
    ['vmm-reboot', '--strategy LIST', VMM_REBOOT, VMM_STRATEGIES],
    ['campaign', '--without LIST', CAMPAIGN, PROTECTIONS],
  ] as const)('%s %s: the help and cli.md name each allowed value, and no other', (_, option, command, values) => {
    for (const value of values) expect(commandHelp(command)).toContain(value);
    const section = page.split(`\n## stillwarm ${command.name}\n`)[1]!.split('\n## ')[0]!;
    const meaning = section.split(`\n| \`${option}\` |`)[1]!.split('\n')[0]!.split(' | ')[1]!;
    const named = [...meaning.matchAll(/`([^`-][^`]*)`/g)].map(([, name]) => name);
    expect(named).toEqual([...values]);
  });
});

describe('parseCommand', () => {
  it('takes values after a space or an equals sign, flags, and arguments in any order', () => {
    const args = parseCommand(REBOOT, ['--seed', '7', 'dir', '--memory=2GiB', '--crash']);
    expect([...args.values]).toEqual([
      ['seed', '7'],
      ['memory', '2GiB'],
    ]);
    expect([...args.flags]).toEqual(['crash']);
    expect(args.positionals).toEqual(['dir']);
    expect(parseCommand(REBOOT, ['--', '--seed']).positionals).toEqual(['--seed']);
  });

  it.each([
    [['--sede', '1'], /^unknown option --sede; reboot takes --memory, .*--help$/],
    [['-x'], /^unknown option -x; /],
    [['--no-json'], /^unknown option --no-json; /],
    [['--json=yes'], /^option --json takes no value$/],
    [['--seed'], /^option --seed needs a value: --seed N$/],
    [['--seed', '1', '--seed=2'], /^option --seed is given twice$/],
    [['--strategy', 'cold', '--strategy', 'warm-cache'], /^option --strategy is given twice$/],
    [['--memory', '--json'], /^option --memory needs a value: --memory SIZE$/],
    [['--report='], /^option --report needs a value: --report DIR$/],
    [['a', 'b'], /^unexpected argument b; usage: stillwarm reboot \[OPTION\]... \[PATH\]$/],
    [[''], /^PATH is empty$/],
  ])('refuses %j', (argv, message) => {
    expect(mistake(() => parseCommand(REBOOT, argv))).toMatch(message);
  });

  it('asked for help, asks for nothing else', () => {
    expect(parseCommand(REBOOT, ['--sede', 'x', 'y', '--help']).help).toBe(true);
    expect(parseCommand(REBOOT, ['-h']).help).toBe(true);
  });

  property(
    'returns or refuses in one line, whatever it is given',
    fc.array(fc.oneof(fc.string(), fc.constantFrom('--seed', '--json', '--', '-', '--memory=', '-\n', '--é\n'))),
    (argv) => {
      for (const command of COMMANDS) {
        try {
          parseCommand(command, argv);
        } catch (error) {
          if (!(error instanceof UserError) || error.message.includes('\n')) throw error;
        }
      }
    },
  );
});

/** Every option of every command that takes a number. */
const NUMERIC = COMMANDS.flatMap(({ name, options }) =>
  options.flatMap((option) =>
    ['N', 'SIZE', 'SECONDS'].includes(option.value ?? '') ? [[name, `--${option.name}`] as const] : [],
  ),
);

describe('a number that an option does not take', () => {
  it('is tried on all of them', () => {
    expect(NUMERIC.map((pair) => pair.join(' '))).toEqual([
      'reboot --memory',
      'reboot --seed',
      'reboot --limit',
      'reboot --expire',
      'vmm-reboot --vms',
      'vmm-reboot --memory',
      'vmm-reboot --seed',
      'vmm-reboot --limit',
      'campaign --runs',
      'campaign --seed',
    ]);
  });

  it.each(NUMERIC)('%s %s: below zero, or huge, is refused as a number', (command, option) => {
    for (const text of ['-1', '-0', '-0.5', '-.5', '-1GiB', '9'.repeat(20), '9'.repeat(400), '1e400', '1_000', '１'])
      for (const argv of [[option, text], [`${option}=${text}`]]) {
        const io = captureIo('/', { runReboot: never, runVmmReboot: never, runCampaign: never });
        expect(main([command, ...argv], io)).toBe(2);
        expect(io.stderr.text).toMatch(new RegExp(`^stillwarm: ${option}: [^\n]* is not [^\n]*\n$`));
        expect(io.stderr.text).toContain(/^[!-~]+$/.test(text) ? text.slice(0, 80) : JSON.stringify(text));
      }
  });
});

describe('guests that do not fit into a machine', () => {
  const max = guestMemoryMax('x86_32');

  it('the largest guest is the largest of whole MiB', () => {
    const machine = MOST_FRAMES.x86_32 * PAGE_SIZE;
    expect(machineMemoryFor(max)).toBeLessThanOrEqual(machine);
    expect(machineMemoryFor(max + 2 ** 20)).toBeGreaterThan(machine);
    expect([max, guestMemoryMax('x86_64')]).toEqual([16_047 * 2 ** 20, 2 ** 36]);
  });

  it.each([
    [{ memory: 2 ** 36 }, '--memory 64GiB: a guest of x86_32 has at most 16047MiB (16,826,499,072 bytes) of memory'],
    [{ memory: max + 4096 }, `--memory ${max / 1024 + 4}KiB: a guest of x86_32 has at most 16047MiB`],
    [{ memory: 3 * 2 ** 30, vms: 6 }, '--vms 6 --memory 3GiB: 6 guests of x86_32 together have at most 16047MiB'],
    [{ memory: 2 ** 36, vms: 2 }, '--vms 2 --memory 64GiB: 2 guests of x86_32 together have at most 16047MiB'],
    [
      { memory: 2 ** 36, vms: 2, arch: 'x86_64' },
      '2 guests of x86_64 together have at most 64GiB (68,719,476,736 bytes)',
    ],
    [{ memory: 2 ** 36, vms: 2, profile: 'server-2026' }, '2 guests of x86_64 together have at most 64GiB'],
  ] as const)('%j', (guests, message) => {
    const told = mistake(() => checkRoom({ profile: 'pentium4-2006', ...guests }));
    expect(told).toContain(message);
    const isWithin = guests.memory * ('vms' in guests ? guests.vms : 1) <= 2 ** 36;
    expect(told.endsWith(', or --arch x86_64')).toBe(isWithin);
    const advice = /ask for --memory (\w+)/.exec(told)?.[1];
    expect(advice).toBe('vms' in guests ? undefined : '16047MiB');
    if (advice !== undefined) expect(parseMemory('--memory', advice)).toBe(max);
  });

  it.each([
    { memory: max },
    { memory: 8_023 * 2 ** 20, vms: 2 },
    { memory: 2 ** 36, arch: 'x86_64' },
    { memory: 2 ** 36, profile: 'server-2026' },
  ] as const)('%j do', (guests) => {
    expect(() => checkRoom({ profile: 'pentium4-2006', ...guests })).not.toThrow();
  });
});

describe('values', () => {
  property(
    'a size is printed as it is read',
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fc.nat(40),
    (n, shift) => {
      for (const bytes of [n, (n % 1000) * 2 ** shift])
        if (bytes > 0 && parseSize('--limit', sizeText(bytes)) !== bytes) throw new Error(sizeText(bytes));
    },
  );

  it('a size is its number times its unit, in every spelling', () => {
    let spellings = 0;
    for (const [unit, shift] of [
      ['', 0],
      ['k', 10],
      ['m', 20],
      ['g', 30],
      ['t', 40],
    ] as const)
      for (const tail of unit === '' ? ['', 'b'] : ['', 'b', 'ib'])
        for (const space of ['', ' '])
          for (const cased of new Set([
            `${unit}${tail}`,
            `${unit}${tail}`.toUpperCase(),
            `${unit.toUpperCase()}${tail}`,
          ])) {
            spellings++;
            expect(parseSize('--limit', `3${space}${cased}`)).toBe(3 * 2 ** shift);
          }
    expect(spellings).toBe(2 * (1 + 2) + 4 * 2 * (2 + 3 + 3));
    expect(['256MB', '1GB', '64 MiB'].map((text) => parseMemory('--memory', text))).toEqual([
      2 ** 28,
      2 ** 30,
      2 ** 26,
    ]);
  });

  it('a size may be a decimal fraction of a unit when that is whole bytes', () => {
    expect(parseSize('--limit', '1.5GiB')).toBe(1.5 * 2 ** 30);
    expect(mistake(() => parseSize('--limit', '1.0001K'))).toMatch(/^--limit: 1.0001K is not a size/);
  });

  it.each([
    '',
    '0',
    '-1',
    '1  G',
    ' 1G',
    '1G ',
    '1PB',
    '1ib',
    '1kbb',
    '1e9',
    '0x10',
    'G',
    '1..5G',
    '99999999999G',
    '1\n2',
  ])('%j is no size', (text) => {
    expect(mistake(() => parseSize('--limit', text))).toMatch(/^--limit: .*is not a size in bytes/);
  });

  it('memory is whole pages within bounds', () => {
    expect(parseMemory('--memory', '16M')).toBe(16 << 20);
    expect(parseMemory('--memory', '64GiB')).toBe(64 * 2 ** 30);
    for (const bytes of [(16 << 20) - 4096, 64 * 2 ** 30 + 4096])
      expect(mistake(() => parseMemory('--memory', String(bytes)))).toMatch(/ is not 16MiB to 64GiB$/);
    expect(mistake(() => parseMemory('--memory', '15M'))).toBe('--memory: 15M is not 16MiB to 64GiB');
    expect(mistake(() => parseMemory('--memory', '65G'))).toBe('--memory: 65G is not 16MiB to 64GiB');
    expect(mistake(() => parseMemory('--memory', '20000001'))).toBe(
      '--memory: 20000001 is not a multiple of 4096 bytes',
    );
  });

  it.each(['', '-1', '1.5', '4294967296', '1e3', 'one'])('%j is no seed', (text) => {
    expect(mistake(() => parseSeed('--seed', text))).toMatch(/^--seed: .* is not an integer of 0 to 4294967295$/);
    expect([parseSeed('--seed', '0'), parseSeed('--seed', '4294967295')]).toEqual([0, 4294967295]);
  });

  it('a choice that does not exist names those that do', () => {
    expect(parseChoice('--disk', 'nvme', DISKS)).toBe('nvme');
    expect(mistake(() => parseChoice('--disk', 'floppy', DISKS))).toBe(
      '--disk: floppy is none of profile, disk, nvme, instant',
    );
  });

  it('a list is different choices, in the order given', () => {
    expect(parseList('--strategy', 'warm-cache, cold', STRATEGIES)).toEqual(['warm-cache', 'cold']);
    expect(mistake(() => parseList('--strategy', 'cold,cold', STRATEGIES))).toBe('--strategy: cold is named twice');
    expect(mistake(() => parseList('--strategy', 'cold,', STRATEGIES))).toMatch(/^--strategy: "" is none of cold, /);
  });
});

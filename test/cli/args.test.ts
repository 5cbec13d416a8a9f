import fc from 'fast-check';
import { ARRIVALS, LOOPS, ORDERS } from '../../src/experiment/web/options.ts';
import { SENDING } from '../../src/workload/apache.ts';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MOST_FRAMES, PAGE_SIZE, UserError } from '../../src/base/index.ts';
import { parseCommand } from '../../src/cli/kit/args.ts';
import { commandHelp, optionTable, programHelp } from '../../src/cli/kit/help.ts';
import type { Option } from '../../src/cli/kit/option-kinds.ts';
import { CHECK_FAULTS } from '../../src/cli/check/options.ts';
import { COMMANDS, REBOOT, VMM_REBOOT, WEB } from '../../src/cli/options.ts';
import { parseChoice, parseList, parseMemory, parseSize, sizeText } from '../../src/cli/kit/values.ts';
import { main } from '../../src/cli/commands.ts';
import { checkRoom } from '../../src/cli/room.ts';
import { PROTECTIONS } from '../../src/lab/faults/options.ts';
import { WORKLOADS } from '../../src/experiment/guest/options.ts';
import { DISKS, PROFILES } from '../../src/experiment/host/profiles.ts';
import { STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { VMM_STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { guestMemoryMax, machineMemoryFor } from '../../src/experiment/host/host.ts';
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
  it('docs/reference/cli.md has its tables; UPDATE_DOCS=1 writes them', () => {
    const file = new URL('../../docs/reference/cli.md', import.meta.url);
    const page = readFileSync(file, 'utf8');
    const written = page.replace(
      /(\n## stillwarm ([^\n]+)\n[^]*?\n)\| option [^]*?\n(?=\n|$)/g,
      (_, before: string, name: string) => {
        const command = COMMANDS.find((each) => each.name === name)!;
        return `${before}${optionTable(command)}`;
      },
    );
    for (const command of COMMANDS) expect(written).toContain(optionTable(command));
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, written);
    expect(readFileSync(file, 'utf8')).toBe(written);
  });

  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    '%s: the help of the command names each option and each of its choices, within 100 columns',
    (name, command) => {
      const help = commandHelp(command);
      const words = help.replaceAll(/\s+/g, ' ');
      for (const [option, { value, choices = {} }] of Object.entries(
        command.options as Record<string, Option<unknown>>,
      )) {
        expect(help).toMatch(new RegExp(`^ {2}--${option}${value === undefined ? '' : ` ${value}`}( |$)`, 'm'));
        expect(words).toContain(Object.keys(choices).join(', '));
      }
      expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
      expect(programHelp(COMMANDS)).toContain(`  ${name}`);
    },
  );

  it('what stands for an option that is not given is what its text would be read as', () => {
    for (const { options } of COMMANDS)
      for (const [name, { parse, otherwise }] of Object.entries(options))
        if ('text' in otherwise) expect(parse(`--${name}`, otherwise.text)).toEqual(otherwise.value);
  });

  it.each([
    ['reboot --profile', REBOOT.options.profile, PROFILES],
    ['reboot --disk', REBOOT.options.disk, DISKS],
    ['reboot --workload', REBOOT.options.workload, WORKLOADS],
    ['reboot --strategy', REBOOT.options.strategy, STRATEGIES],
    ['vmm-reboot --strategy', VMM_REBOOT.options.strategy, VMM_STRATEGIES],
    ['web --strategy', WEB.options.strategy, STRATEGIES],
    ['web --loop', WEB.options.loop, LOOPS],
    ['web --files', WEB.options.files, ORDERS],
    ['web --arrivals', WEB.options.arrivals, ARRIVALS],
    ['web --send', WEB.options.send, SENDING],
    ['check faults --without', CHECK_FAULTS.options.without, PROTECTIONS],
  ] as const)('%s has each value that the experiment takes, and no other', (_, option, values) => {
    expect(Object.keys((option as Option<unknown>).choices!)).toEqual([...values]);
  });
});

describe('parseCommand', () => {
  it('parseCommand takes values after a space or an equals sign, flags, and arguments in any order', () => {
    const args = parseCommand(REBOOT, ['--seed', '7', 'dir', '--memory=2GiB', '--crash']);
    expect(args.options).toMatchObject({ seed: 7, memory: 2 ** 31, crash: true, checksum: false });
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
  ])('parseCommand refuses %j', (argv, message) => {
    expect(mistake(() => parseCommand(REBOOT, argv))).toMatch(message);
  });

  it('parseCommand that is asked for help asks for nothing else', () => {
    expect(parseCommand(REBOOT, ['--sede', 'x', 'y', '--help']).options.help).toBe(true);
    expect(parseCommand(REBOOT, ['-h']).options.help).toBe(true);
  });

  property(
    'parseCommand returns or refuses in one line, whatever it is given',
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
const NUMERIC = COMMANDS.flatMap(({ name, options, positionals }) =>
  Object.entries(options).flatMap(([option, { value }]) =>
    ['N', 'R', 'A', 'SIZE', 'SECONDS', 'PERCENT'].includes(value ?? '')
      ? [
          [
            name,
            `--${option}`,
            positionals.filter(({ optional }) => optional === undefined).map((each) => each.name),
          ] as const,
        ]
      : [],
  ),
);

describe('a number that an option does not take', () => {
  it('a number that an option does not take is tried on all of them', () => {
    expect(NUMERIC.map(([command, option]) => `${command} ${option}`)).toEqual([
      'reboot --memory',
      'reboot --domain0-cache',
      'reboot --seed',
      'reboot --limit',
      'reboot --expire',
      'reboot --partition',
      'reboot --jobs',
      'vmm-reboot --vms',
      'vmm-reboot --memory',
      'vmm-reboot --domain0-cache',
      'vmm-reboot --seed',
      'vmm-reboot --limit',
      'vmm-reboot --partition',
      'vmm-reboot --jobs',
      'web --memory',
      'web --domain0-cache',
      'web --rate',
      'web --connections',
      'web --think',
      'web --timeout',
      'web --alpha',
      'web --workers',
      'web --prefetch-rate',
      'web --before',
      'web --after',
      'web --seed',
      'web --limit',
      'web --partition',
      'web --jobs',
      'predict --memory',
      'predict --partition-offset',
      'predict --depth',
      'predict --domain0-cache',
      'predict --prefetch-rate',
      'predict --seed',
      'predict --jobs',
      'paper --seed',
      'paper --samples',
      'paper --jobs',
      'calibrate --rounds',
      'calibrate --scratch-size',
      'check faults --runs',
      'check faults --seed',
      'check faults --case',
      'check faults --jobs',
      'check crash --depth',
      'check crash --seed',
      'check crash --case',
      'check crash --jobs',
      'check scope --states',
      'check scope --case',
      'check scope --jobs',
      'check fuzz --cases',
      'check fuzz --seed',
      'check fuzz --case',
      'check fuzz --jobs',
      'check protocol --states',
      'check protocol --depth',
      'worker --jobs',
      'diff --tolerance',
      'trace stat --partition-offset',
      'trace stat --largest',
      'trace head --partition-offset',
      'trace head --lines',
      'trace convert --partition-offset',
      'trace curve --partition-offset',
      'trace curve --jobs',
      'trace restore --partition-offset',
      'trace restore --memory',
      'trace restore --jobs',
    ]);
  });

  it.each(NUMERIC)(
    'a number that %s %s does not take, below zero or huge, is refused as a number',
    (command, option, positionals) => {
      for (const text of ['-1', '-0', '-0.5', '-.5', '-1GiB', '9'.repeat(20), '9'.repeat(400), '1e400', '1_000', '１'])
        for (const argv of [[option, text], [`${option}=${text}`]]) {
          const io = captureIo('/', {
            runReboot: never,
            runVmmReboot: never,
            runWeb: never,
            runPredict: never,
            runPaperBatch: never,
          });
          expect(main([...command.split(' '), ...argv, ...positionals], io)).toBe(2);
          expect(io.stderr.text).toMatch(new RegExp(`^stillwarm: ${option}: [^\n]* is not [^\n]*\n$`));
          expect(io.stderr.text).toContain(/^[!-~]+$/.test(text) ? text.slice(0, 80) : JSON.stringify(text));
        }
    },
  );
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
  ] as const)('guests of %j do not fit', (guests, message) => {
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
  ] as const)('guests of %j do fit', (guests) => {
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
  ])('the text %j is no size', (text) => {
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

  it.each(['', '-1', '1.5', '4294967296', '1e3', 'one'])('the text %j is no seed', (text) => {
    expect(mistake(() => REBOOT.options.seed.parse('--seed', text))).toMatch(
      /^--seed: .* is not an integer of 0 to 4294967295$/,
    );
    expect([REBOOT.options.seed.parse('--seed', '0'), REBOOT.options.seed.parse('--seed', '4294967295')]).toEqual([
      0, 4294967295,
    ]);
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

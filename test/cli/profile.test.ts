import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import { PROFILE, PROFILES, profileText } from '../../src/experiment/host/profile-file.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import { constantsOf } from '../../src/machine/profile.ts';
import { captureIo } from './capture.ts';

const SHORT = {
  schema: 'stillwarm/profile@1',
  name: 'short',
  extends: 'server-2026',
  guest: { syscallNs: { value: 300, unit: 'ns', provenance: 'measured', note: 'by hand' } },
};

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-profile-'));
  mkdirSync(join(dir, 'files'));
  writeFileSync(join(dir, 'files/a'), Buffer.alloc(200_000, 7));
  writeFileSync(join(dir, 'short.json'), JSON.stringify(SHORT));
  writeFileSync(join(dir, 'trace.csv'), '');
  writeFileSync(join(dir, 'torn.json'), JSON.stringify(SHORT).slice(0, 60));
  writeFileSync(join(dir, 'bytes.json'), Uint8Array.of(0xff, 0xfe));
  writeFileSync(join(dir, 'unit.json'), JSON.stringify(SHORT).replace('"ns"', '"us"'));
  writeFileSync(join(dir, 'twice.json'), JSON.stringify(SHORT).replace('{', '{"name":"other",'));
  writeFileSync(join(dir, 'huge.json'), '{');
  truncateSync(join(dir, 'huge.json'), 2 << 20);
  symlinkSync('nowhere', join(dir, 'link.json'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(...argv: string[]): { status: number; out: string; err: string } {
  const io = captureIo(dir, { runReboot });
  const status = main(argv, io);
  return { status, out: io.stdout.text, err: io.stderr.text };
}

describe('profile', () => {
  it('profile prints a profile that is known, as JSON or as tables with each constant', () => {
    for (const name of PROFILES) {
      expect(run('profile', name, '--json')).toEqual({ status: 0, out: profileText(PROFILE[name]), err: '' });
      const { status, out } = run('profile', name);
      expect(status).toBe(0);
      const shown = [...out.matchAll(/^│ (\w+\.\w+) /gm)].map(([, constant]) => constant);
      expect(shown).toEqual([...constantsOf(PROFILE[name]).keys()]);
    }
  });

  it('profile prints a short file whole, and says what comes from the profile that it extends', () => {
    const { out } = run('profile', 'short.json', '--json');
    writeFileSync(join(dir, 'whole.json'), out);
    expect(run('profile', './whole.json', '--json').out).toBe(out);
    const tables = run('profile', 'short.json').out;
    expect(tables).toMatch(/│ guest\.syscallNs +│ +300 │ ns +│ +│ measured +│\n/);
    expect(tables).toMatch(/│ guest\.pageLookupNs +│ +50 │ ns +│ 25 – 100 +│ assumed, from server-2026 +│\n/);
  });

  it('profile --list prints those that are known, and takes nothing else', () => {
    const { status, out } = run('profile', '--list');
    expect([status, [...out.matchAll(/^│ ([\w-]+-\d+) /gm)].map(([, name]) => name)]).toEqual([0, [...PROFILES]]);
    expect(run('profile', '--list', 'short.json').err).toBe('stillwarm: --list: it takes no profile\n');
    expect(run('profile', '--list', '--json').err).toBe('stillwarm: --list: it is no profile, which --json prints\n');
    expect(run('profile').err).toMatch(/^stillwarm: NAME\|FILE\.json is missing; --list prints /);
  });
});

describe('--profile FILE.json', () => {
  it('a reboot on a file differs from one on the base by what the file says, as --set does', () => {
    const reboot = (...argv: string[]): Record<string, unknown> =>
      JSON.parse(run('reboot', 'files', '--bare-boot', '--strategy', 'cold', '--json', ...argv).out) as Record<
        string,
        unknown
      >;
    const { profile, profileConstants, digest, strategies } = reboot('--profile', 'short.json');
    const set = reboot('--profile', 'server-2026', '--set', 'guest.syscallNs=300');
    expect([profile, digest, strategies]).toEqual(['short', set['digest'], set['strategies']]);
    expect(set).not.toHaveProperty('profileConstants');
    expect(profileConstants).toHaveLength(constantsOf(PROFILE['server-2026']).size);
    expect(profileConstants).toContainEqual({ constant: 'guest.syscallNs', value: 300 });
    const both = reboot('--profile', 'short.json', '--set', 'guest.syscallNs=120');
    expect(both['digest']).toBe(reboot('--profile', 'server-2026')['digest']);
    expect(both['set']).toEqual([{ constant: 'guest.syscallNs', value: 120 }]);
  });

  it.each(['reboot files', 'vmm-reboot files', 'web files', 'predict trace.csv'])(
    'a file that is no profile is refused by %s in one line that names file and key',
    (command) => {
      for (const [file, told] of [
        ['none.json', 'cannot read none.json: no such file'],
        ['link.json', 'cannot read link.json: no such file'],
        ['./files', 'cannot read ./files: is a directory'],
        ['torn.json', 'torn.json: line 1, column 58: the string does not end'],
        ['bytes.json', 'bytes.json: not text in UTF-8'],
        ['huge.json', 'huge.json: more than 1MiB: not a profile'],
        ['unit.json', 'unit.json: guest.syscallNs.unit: expected "ns", got "us"'],
        ['twice.json', 'twice.json: line 1, column 48: the object has this key already'],
        [
          'server-2027',
          '--profile: server-2027 is none of pentium4-2006, server-2026, nor a file, whose name ends in .json',
        ],
      ] as const) {
        const { status, out, err } = run(...command.split(' '), '--profile', file);
        expect([status, out]).toEqual([2, '']);
        expect(err.slice(0, 'stillwarm: '.length + told.length)).toBe(`stillwarm: ${told}`);
        expect(err).toMatch(/^[^\n]+\n$/);
      }
    },
  );

  it('a constant of a file that no drive has is named with the profile by --set', () => {
    const { err } = run('reboot', 'files', '--profile', 'short.json', '--set', 'disk.rpm=7200');
    expect(err).toMatch(/^stillwarm: --set: short has no constant disk\.rpm; there are disk\.readLatencyNs, /);
  });

  it('a profile that a dump of memory would replace is refused', () => {
    const { status, err } = run('reboot', 'files', '--profile', 'short.json', '--dump-memory', 'short.json');
    expect([status, err]).toEqual([2, `stillwarm: --dump-memory: ${join(dir, 'short.json')} is --profile itself\n`]);
  });
});

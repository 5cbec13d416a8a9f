// The guest's command line: what each word means, and that nothing is passed over.
import { describe, expect, it } from 'vitest';
import { GuestPanic } from '../../src/base/index.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, tree } from '../../src/disk/mkfs/tree.ts';
import { parseCommandLine } from '../../src/kernel/command-line.ts';
import { KERNEL_RULES } from '../../src/kernel/rules.ts';
import { FakeMachine } from '../support/fake-machine.ts';

const OFF = { files: false, metadata: false };

describe('command line', () => {
  it('the command line takes every value of every key', () => {
    const defaults = {
      naming: OFF,
      registersDirtyPages: false,
      expireSeconds: 0,
      policy: 'linux-2.6.12',
      rules: KERNEL_RULES,
    };
    for (const text of ['', ' ', '   ', 'cachemap=off', 'rio=off', 'cachemap_expire=0', ' rio=off  cachemap=off '])
      expect(parseCommandLine(text), text).toEqual(defaults);
    expect(parseCommandLine('cachemap=files').naming).toEqual({ files: true, metadata: false });
    expect(parseCommandLine('cachemap=all').naming).toEqual({ files: true, metadata: true });
    for (const rule of Object.keys(KERNEL_RULES))
      expect(parseCommandLine(`without=${rule}`).rules).toEqual({ ...KERNEL_RULES, [rule]: false });
    const two = { firstChange: false, flushBeforeReuse: false };
    expect(parseCommandLine('without=firstChange,flushBeforeReuse').rules).toEqual({ ...KERNEL_RULES, ...two });
    expect(parseCommandLine('policy=linux-6').policy).toBe('linux-6');
    expect(parseCommandLine('rio=on').registersDirtyPages).toBe(true);
    expect(parseCommandLine('cachemap_expire=999999').expireSeconds).toBe(999_999);
    expect(parseCommandLine('cachemap=all rio=on cachemap=off')).toEqual({ ...defaults, registersDirtyPages: true });
  });

  it.each([
    // Keys that there are not: mistyped, from elsewhere, of every object, without a value, with
    // what a decoder swallows.
    ...['cachmap=all', 'Cachemap=all', 'cachemap', 'quiet', 'root=/dev/sda1', '=', '=all', 'toString=1', '__proto__=1'],
    ...['\ufeffcachemap=all', 'cachemap=all\tquiet', 'cachemap=all\nrio=on', 'cachemap=all,rio=on'],
    // Values that there are not.
    ...['cachemap=', 'cachemap=some', 'cachemap==all', 'rio=', 'rio=yes', 'rio=on ; '],
    ...['policy=', 'policy=lru-6', 'policy=toString'],
    ...['without=none', 'without=firstChange,', 'without=toString'],
    ...['cachemap_expire=', 'cachemap_expire=-1', 'cachemap_expire=1.5', 'cachemap_expire=1000000'],
  ])('the command line %j is refused', (text) => {
    expect(() => parseCommandLine(text)).toThrow(GuestPanic);
    const machine = new FakeMachine({ image: makeExt2(tree(directory([])), { size: 4 << 20 }) });
    expect(() => machine.run(machine.boot(`rio=off ${text}`))).toThrow(/^command line: [^\n]*$/);
  });
});

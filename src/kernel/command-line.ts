/**
 * The guest kernel's command line: words `key=value`, between spaces (init/main.c of 2.6.12). Of a
 * key given twice, the last value counts, as in Linux. Unlike Linux, it refuses an unknown key and
 * an invalid value: an experiment with a mistyped key would lack what it asks for.
 */

import { GuestPanic } from '../base/errno.ts';
import type { NamingPolicy } from './fs/ext2/iget.ts';
import { DEFAULT_POLICY, POLICIES, type PolicyName } from './mm/policy/policies.ts';
import { KERNEL_RULES, type KernelRules } from './rules.ts';

/** What the command line says. */
export interface CommandLine {
  /** `cachemap=off|files|all`: what is named in the cache-mapping table; `off` by default. */
  readonly naming: NamingPolicy;
  /**
   * `rio=on|off`: whether dirty pages are registered with the hypervisor, and survive a crash;
   * `off` by default.
   */
  readonly registersDirtyPages: boolean;
  /**
   * `cachemap_expire=SECONDS`: how long after the boot a preserved page waits to be claimed; 0, by
   * default: forever.
   */
  readonly expireSeconds: number;
  /** `policy=NAME`: which pages are replaced and read ahead, and how; as in 2.6.12 by default. */
  readonly policy: PolicyName;
  /** `without=NAME[,NAME]`: rules that the crash lab takes away; none by default. */
  readonly rules: KernelRules;
}

const DEFAULTS: Readonly<Record<string, string>> = {
  ...{ cachemap: 'off', rio: 'off', cachemap_expire: '0', policy: DEFAULT_POLICY, without: '' },
};
const NAMING: ReadonlyMap<string, NamingPolicy> = new Map([
  ['off', { files: false, metadata: false }],
  ['files', { files: true, metadata: false }],
  ['all', { files: true, metadata: true }],
]);
const RIO: ReadonlyMap<string, boolean> = new Map([
  ['on', true],
  ['off', false],
]);

/** Throws GuestPanic with one line that names the word that is refused. */
export function parseCommandLine(text: string): CommandLine {
  const values = { ...DEFAULTS };
  for (const word of text.split(' ')) {
    if (word === '') continue;
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (key === undefined || value === undefined || !Object.hasOwn(DEFAULTS, key))
      throw refused(word, `no option is called that; there are ${Object.keys(DEFAULTS).join(', ')}`);
    values[key] = value;
  }
  const { cachemap, rio, cachemap_expire: expire, policy: wanted, without } = values;
  const naming = NAMING.get(cachemap!);
  if (naming === undefined) throw refused(`cachemap=${cachemap!}`, `not one of ${[...NAMING.keys()].join(', ')}`);
  const registersDirtyPages = RIO.get(rio!);
  if (registersDirtyPages === undefined) throw refused(`rio=${rio!}`, `not one of ${[...RIO.keys()].join(', ')}`);
  if (!/^[0-9]{1,6}$/.test(expire!))
    throw refused(`cachemap_expire=${expire!}`, 'not a number of seconds below 1000000');
  const policy = POLICIES.find((name) => name === wanted);
  if (policy === undefined) throw refused(`policy=${wanted!}`, `not one of ${POLICIES.join(', ')}`);
  const off = without === '' ? [] : without!.split(',');
  const names = Object.keys(KERNEL_RULES);
  if (off.some((name) => !names.includes(name))) throw refused(`without=${without!}`, `not of ${names.join(', ')}`);
  const rules = { ...KERNEL_RULES, ...Object.fromEntries(off.map((name) => [name, false])) };
  return { naming, registersDirtyPages, expireSeconds: Number(expire), policy, rules };
}

function refused(word: string, why: string): GuestPanic {
  return new GuestPanic(`command line: ${JSON.stringify(word)}: ${why}`);
}

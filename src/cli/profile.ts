/** `stillwarm profile`: the constants of a profile as tables, or as the JSON that a file holds. */

import { printable, UserError } from '../base/index.ts';
import { PROFILE, profileText, PROFILES, resolveProfile } from '../experiment/host/profile-file.ts';
import { constantsOf, type Profile } from '../machine/profile.ts';
import { parseCommand } from './kit/args.ts';
import { commandHelp } from './kit/help.ts';
import type { Io } from './kit/io.ts';
import { profileIn } from './kit/read-profile.ts';
import { renderTable } from './kit/table.ts';
import { parseProfileName } from './kit/values.ts';
import { SHOW_PROFILE } from './profile-options.ts';

/**
 * @returns the exit status 0
 * @throws UserError, InputError
 */
export function profile(argv: readonly string[], io: Io): number {
  const { options, positionals } = parseCommand(SHOW_PROFILE, argv);
  if (options.help) {
    io.stdout.write(commandHelp(SHOW_PROFILE));
    return 0;
  }
  const [given] = positionals;
  if (options.list) {
    if (given !== undefined) throw new UserError('--list: it takes no profile');
    if (options.json) throw new UserError('--list: it is no profile, which --json prints');
    const rows = PROFILES.map((name) => [
      name,
      PROFILE[name].description.split(/(?<=[.,:]) /)[0]!.replace(/[,:]$/, '.'),
    ]);
    io.stdout.write(`${renderTable(['profile', 'machine'], rows)}\n`);
    return 0;
  }
  if (given === undefined)
    throw new UserError('NAME|FILE.json is missing; --list prints the names of those that are known');
  const asked = resolveProfile(profileIn(parseProfileName('NAME|FILE.json', given), io));
  io.stdout.write(options.json ? profileText(asked) : tablesOf(asked));
  return 0;
}

/** Without the notes, which are longer than a line. */
export function tablesOf(profile: Profile): string {
  const constants = [...constantsOf(profile)];
  const titles = { guest: 'Guest', hypervisor: 'Hypervisor', disk: profile.disk.model, nic: profile.nic.model };
  const tables = Object.entries(titles).map(([section, title]) => {
    const rows = constants
      .filter(([name]) => name.startsWith(`${section}.`))
      .map(([name, { value, unit, range, provenance, fitted, note }]) => [
        name,
        value,
        unit,
        range === undefined
          ? ''
          : range.map((end) => end.toLocaleString('en-US', { maximumFractionDigits: 9 })).join(' – '),
        `${provenance}${fitted ? ', fitted' : ''}${/^from [\w.-]+: /.exec(note)?.[0].replace(': ', '').replace('from', ', from') ?? ''}`,
      ]);
    return `${printable(title)}\n${renderTable(['constant', 'value', 'unit', 'range', 'provenance'], rows)}`;
  });
  const { name, description, arch } = profile;
  return `${[`${name}, ${arch.value}`, printable(description), ...tables].join('\n\n')}\n`;
}

/**
 * Profiles of a user: a file of JSON, or an object of a program, to a whole profile, and back.
 *
 * Contract:
 * 1. A profile that is taken is whole. Each constant has a value within bounds, its unit, a
 *    provenance and a note. One that was assumed or fitted has a range.
 * 2. Whatever is missing, unknown or out of range is refused in one line that names its key.
 * 3. What comes from the profile that a file extends says so in its note.
 * 4. A profile that was printed is read as the same one.
 * 5. Two different profiles do not have one name of ours.
 *
 * How large a value may be is told by the profiles and drives that are known.
 */

import { ArgumentError, checkObject, checkOneOf, shown } from '../../base/argument-error.ts';
import { ARCHS } from '../../base/arch.ts';
import { InputError } from '../../base/input-error.ts';
import { isList, isObject, type Json, parseJson } from '../../base/json.ts';
import { makeServiceTime } from '../../disk/drive/make-service-time.ts';
import { boundsOf, checkValue, type ConstantBounds } from '../../machine/constant-bounds.ts';
import {
  type ArchSection,
  type Constant,
  CONSTANT_SOURCES,
  type DiskSection,
  MEANINGS,
  type Profile,
  type ProfileSource,
  unitOfConstant,
} from '../../machine/profile.ts';
import { BARRACUDA_4LP, CHEETAH_9LP } from '../../machine/profiles/drives-1998.ts';
import { PENTIUM4_2006 } from '../../machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';

/** Names of the machines that are known. */
export const PROFILES = ['pentium4-2006', 'server-2026'] as const;
/** Name of a machine: its costs, its drive and its architecture. */
export type ProfileName = (typeof PROFILES)[number];

/** The machines by name. */
export const PROFILE: Readonly<Record<ProfileName, Profile>> = {
  'pentium4-2006': PENTIUM4_2006,
  'server-2026': SERVER_2026,
};

/** @internal Name and version of the format of a file. */
export const PROFILE_SCHEMA = 'stillwarm/profile@1';
/** @internal A word that results and reports can print. */
export const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
/** @internal Characters of a note, of a model and of a description. */
export const TEXT_MAX = { note: 500, model: 200, description: 4000 } as const;
/** @internal Bytes of a file; a whole profile has 20 KiB. */
export const PROFILE_BYTES_MAX = 1 << 20;

/** Parts of a profile that have constants. @internal */
export type SectionName = keyof typeof MEANINGS;
type Constants = Readonly<Record<string, Constant>>;

const KNOWN: Readonly<Record<SectionName, readonly Constants[]>> = {
  guest: [PENTIUM4_2006.guest, SERVER_2026.guest],
  hypervisor: [PENTIUM4_2006.hypervisor, SERVER_2026.hypervisor],
  disk: [PENTIUM4_2006.disk, BARRACUDA_4LP, CHEETAH_9LP].map(({ constants }) => constants),
  nvme: [SERVER_2026.disk.constants],
  nic: [PENTIUM4_2006.nic.constants, SERVER_2026.nic.constants],
};

/** @internal Values that a constant of any profile may have. */
export function boundsOfConstant(section: SectionName, name: string): ConstantBounds {
  const known = KNOWN[section].map((constants) => constants[name]!.value);
  const prefix = section === 'nvme' ? 'disk' : section;
  return boundsOf(`${prefix}.${name}`, Math.min(...known), Math.max(...known));
}

/**
 * A profile from the text of a file.
 * @param name of the file, for messages
 * @throws InputError that names the file, and the key or the place
 */
export function parseProfile(name: string, text: string): Profile {
  const json = parseJson(name, text);
  const source = plain(json);
  try {
    // A file says of which version it is.
    checkObject('profile', source, 'schema');
    return profileFrom(source);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new InputError(`${name}: ${error.message}`);
  }
}

/** Defines each key: one may be `__proto__`. */
function plain(json: Json): unknown {
  if (isList(json)) return json.map(plain);
  return isObject(json) ? Object.fromEntries([...json].map(([key, value]) => [key, plain(value)])) : json;
}

/**
 * A whole profile from what a user wrote.
 * @throws ArgumentError that names the key
 */
export function profileFrom(source: unknown): Profile {
  const root = fieldsOf('profile', source, ['schema', 'name', 'extends', 'description', ...PARTS]);
  if (root['schema'] !== undefined) checkOneOf('schema', root['schema'], [PROFILE_SCHEMA]);
  const { extends: extended } = root;
  if (extended !== undefined) checkOneOf('extends', extended, PROFILES);
  const base = extended === undefined ? undefined : PROFILE[extended];
  const profile: Profile = {
    name: nameFrom(root['name']),
    description: textFrom(
      'description',
      root['description'] ?? (base && `${base.name}, changed.`),
      TEXT_MAX.description,
    ),
    arch: archFrom(root['arch'] ?? base?.arch),
    guest: sectionFrom('guest', 'guest', root['guest'], base?.guest, extended),
    hypervisor: sectionFrom('hypervisor', 'hypervisor', root['hypervisor'], base?.hypervisor, extended),
    disk: diskFrom(root['disk'], base?.disk, extended),
    nic: nicFrom(root['nic'], base?.nic, extended),
  };
  checkName(profile);
  try {
    makeServiceTime(profile.disk);
  } catch (error) {
    if (error instanceof ArgumentError) throw new ArgumentError(`disk.constants.${error.message}`);
    throw error;
  }
  return profile;
}

const PARTS = ['arch', 'guest', 'hypervisor', 'disk', 'nic'] as const;

/** The fields of an object, each read once. */
function fieldsOf(key: string, value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  checkObject(key, value);
  if (Array.isArray(value)) throw new ArgumentError(`${key}: expected an object, got a list`);
  const fields = { ...(value as object) };
  const unknown = Object.keys(fields).find((each) => !known.includes(each));
  if (unknown !== undefined) {
    // A key of the user's may have line ends in it.
    const name = /^\w{1,60}$/.test(unknown) ? unknown : shown(unknown);
    throw new ArgumentError(`${key}: has no ${name}; there are ${known.join(', ')}`);
  }
  return fields;
}

function textFrom(key: string, value: unknown, most: number): string {
  if (value === undefined) throw new ArgumentError(`${key}: it is missing`);
  if (typeof value !== 'string') throw new ArgumentError(`${key}: expected text, got ${shown(value)}`);
  const isLine = value.trim() !== '' && !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(value);
  if (!isLine) throw new ArgumentError(`${key}: expected a line of text`);
  if (value.length > most) throw new ArgumentError(`${key}: longer than ${most} characters`);
  return value;
}

function nameFrom(value: unknown): string {
  const name = textFrom('name', value, 64);
  if (PROFILE_NAME.test(name)) return name;
  throw new ArgumentError("name: expected a letter or digit, then letters, digits, '.', '_', '+' and '-', 64 at most");
}

/** A result that tells one of our names means that profile. */
function checkName(profile: Profile): void {
  const known = (PROFILES as readonly string[]).includes(profile.name)
    ? PROFILE[profile.name as ProfileName]
    : undefined;
  if (known === undefined || profileText(known) === profileText(profile)) return;
  throw new ArgumentError(`name: ${profile.name} is another profile: give this one a name of its own`);
}

function archFrom(value: unknown): ArchSection {
  if (value === undefined) throw missing('arch');
  const { value: arch, provenance, note } = fieldsOf('arch', value, ['value', 'provenance', 'note']);
  checkOneOf('arch.value', arch, ARCHS);
  checkOneOf('arch.provenance', provenance, CONSTANT_SOURCES);
  return { value: arch, provenance, note: textFrom('arch.note', note, TEXT_MAX.note) };
}

function diskFrom(value: unknown, base: DiskSection | undefined, extended: unknown): DiskSection {
  if (value === undefined) {
    if (base === undefined) throw missing('disk');
    return { ...base, constants: sectionFrom(base.kind, '', {}, base.constants, extended) };
  }
  const { kind, model, constants } = fieldsOf('disk', value, ['kind', 'model', 'constants']);
  checkOneOf('disk.kind', kind, ['disk', 'nvme'] as const);
  const same = base?.kind === kind ? base : undefined;
  return {
    kind,
    model: textFrom('disk.model', model ?? same?.model, TEXT_MAX.model),
    constants: sectionFrom(kind, 'disk.constants', constants, same?.constants, extended),
  };
}

function nicFrom(value: unknown, base: Profile['nic'] | undefined, extended: unknown): Profile['nic'] {
  if (value === undefined && base === undefined) throw missing('nic');
  const { model, constants } = fieldsOf('nic', value ?? {}, ['model', 'constants']);
  return {
    model: textFrom('nic.model', model ?? base?.model, TEXT_MAX.model),
    constants: sectionFrom('nic', 'nic.constants', constants, base?.constants, extended),
  };
}

const missing = (key: string): ArgumentError =>
  new ArgumentError(`${key}: it is missing; give it, or name a profile in extends that has it`);

/** The constants of a section, in the order of the tables. */
function sectionFrom(
  section: SectionName,
  key: string,
  value: unknown,
  base: Constants | undefined,
  extended: unknown,
): Constants {
  if (value === undefined && base === undefined) throw missing(key);
  const names = Object.keys(MEANINGS[section]);
  const given = fieldsOf(key, value ?? {}, names);
  return Object.fromEntries(
    names.map((name) => {
      const at = `${key}.${name}`;
      if (given[name] !== undefined) return [name, constantFrom(at, section, name, given[name])];
      if (base === undefined) throw missing(at);
      return [name, { ...base[name]!, note: `from ${String(extended)}: ${base[name]!.note}` }];
    }),
  );
}

function constantFrom(key: string, section: SectionName, name: string, source: unknown): Constant {
  const fields = fieldsOf(key, source, ['value', 'unit', 'provenance', 'fitted', 'note', 'range']);
  const { value, unit, provenance, fitted = false } = fields;
  if (value === undefined) throw new ArgumentError(`${key}.value: it is missing`);
  checkValue(`${key}.value`, boundsOfConstant(section, name), value);
  const expected = unitOfConstant(name);
  if (unit !== expected)
    throw new ArgumentError(
      `${key}.unit: expected ${JSON.stringify(expected)}, got ${unit === undefined ? 'nothing' : shown(unit)}`,
    );
  checkOneOf(`${key}.provenance`, provenance, CONSTANT_SOURCES);
  checkOneOf(`${key}.fitted`, fitted, [false, true]);
  const note = textFrom(`${key}.note`, fields['note'], TEXT_MAX.note);
  const range = fields['range'] === undefined ? undefined : rangeFrom(`${key}.range`, fields['range'], value as number);
  if (range === undefined && (provenance === 'assumed' || fitted))
    throw new ArgumentError(
      `${key}.range: it is missing; what is assumed or fitted says from where to where it may well be: [least, most]`,
    );
  const constant = {
    value: unsigned(value as number),
    ...(range && { range }),
    unit: expected,
    provenance,
    fitted,
    note,
  };
  return constant as Constant;
}

function rangeFrom(key: string, range: unknown, value: number): readonly [number, number] {
  const ends: unknown[] = Array.isArray(range) ? [...(range as unknown[])] : [];
  const [low, high] = ends;
  const areNumbers =
    ends.length === 2 && ends.every((end) => typeof end === 'number' && Number.isFinite(end) && end >= 0);
  if (!areNumbers) throw new ArgumentError(`${key}: expected [least, most], two numbers of 0 or more`);
  if (!((low as number) <= value && value <= (high as number)))
    throw new ArgumentError(`${key}: ${value} does not lie within ${String(low)} to ${String(high)}`);
  return [unsigned(low as number), unsigned(high as number)];
}

/** Without a zero that is below zero, which JSON has. */
const unsigned = (value: number): number => (value === 0 ? 0 : value);

/** The profile as the text of a file: a constant a line, in the order of the tables. */
export function profileText(profile: Profile): string {
  const { name, description, arch, guest, hypervisor, disk, nic } = profile;
  const line = (key: string, value: unknown): string => `${JSON.stringify(key)}: ${JSON.stringify(value)}`;
  const block = (key: string, lines: readonly string[], indent: string): string =>
    `${JSON.stringify(key)}: {\n${lines.map((each) => `${indent}  ${each}`).join(',\n')}\n${indent}}`;
  const constants = (section: SectionName, of: Constants): string[] =>
    Object.keys(MEANINGS[section]).map((each) => line(each, constantJson(of[each]!)));
  return `{\n${[
    line('schema', PROFILE_SCHEMA),
    line('name', name),
    line('description', description),
    line('arch', arch),
    block('guest', constants('guest', guest), '  '),
    block('hypervisor', constants('hypervisor', hypervisor), '  '),
    block(
      'disk',
      [
        line('kind', disk.kind),
        line('model', disk.model),
        block('constants', constants(disk.kind, disk.constants), '    '),
      ],
      '  ',
    ),
    block('nic', [line('model', nic.model), block('constants', constants('nic', nic.constants), '    ')], '  '),
  ]
    .map((each) => `  ${each}`)
    .join(',\n')}\n}\n`;
}

function constantJson({ value, unit, provenance, fitted, note, range }: Constant): object {
  return { value, unit, provenance, ...(fitted && { fitted }), note, ...(range && { range }) };
}

/** A profile by its name, or from what a program gave. @throws ArgumentError that names the key */
export function resolveProfile(profile: ProfileName | ProfileSource): Profile {
  if (typeof profile !== 'object' || profile === null || Array.isArray(profile)) {
    checkOneOf('profile', profile, PROFILES);
    return PROFILE[profile];
  }
  try {
    return profileFrom(profile);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new ArgumentError(`profile.${error.message}`);
  }
}

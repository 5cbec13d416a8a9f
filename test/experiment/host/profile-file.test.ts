// Profiles of a user. What was printed is read as the same. Each single damage is refused in one
// line that names the file and the key, and by the published schema.
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { ProfileResult } from '../../../src/cli/profile-result.ts';
import {
  boundsOfConstant,
  parseProfile,
  PROFILE,
  profileFrom,
  PROFILES,
  profileText,
  resolveProfile,
  type SectionName,
} from '../../../src/experiment/host/profile-file.ts';
import { archOf, nameOfProfile, profileInResult, profileOf } from '../../../src/experiment/host/profiles.ts';
import { CONSTANT_SOURCES, constantsOf, MEANINGS, type Profile } from '../../../src/machine/profile.ts';
import { property } from '../../support/property.ts';

type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };
type Fields = { [key: string]: Plain };

const validate = new Ajv2020({ strict: true }).compile(ProfileResult);
const SECTIONS = ['guest', 'hypervisor', 'disk', 'nic'] as const;

/** Those that are known, under a name of their own, as plain JSON. */
const whole = (name: (typeof PROFILES)[number]): Fields =>
  JSON.parse(profileText({ ...PROFILE[name], name: 'mine' })) as Fields;

/** The field that a path leads to is what `change` makes of it; undefined: it goes. */
function changed(
  root: Fields,
  path: readonly string[],
  change: (value: Plain | undefined) => Plain | undefined,
): Fields {
  const copy = structuredClone(root);
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Fields;
  const last = path.at(-1)!;
  const value = change(at[last]);
  if (value === undefined) Reflect.deleteProperty(at, last);
  else at[last] = value;
  return copy;
}

/** The message of the InputError without the name of the file; it must be one line. */
function refusal(source: Fields | string): string {
  try {
    parseProfile('my.json', typeof source === 'string' ? source : JSON.stringify(source));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toMatch(/^my\.json: [^\n\r]+$/);
    return error.message.slice('my.json: '.length);
  }
  throw new Error('accepted');
}

/** Where the constants of a section lie in the JSON. */
const placeOf = (section: (typeof SECTIONS)[number]): string[] =>
  section === 'disk' || section === 'nic' ? [section, 'constants'] : [section];

const pathsOfConstants = (root: Fields): string[][] =>
  SECTIONS.flatMap((section) => {
    const place = placeOf(section);
    const constants = place.reduce<Plain>((at, key) => (at as Fields)[key]!, root);
    return Object.keys(constants as Fields).map((name) => [...place, name]);
  });

describe('a profile that was printed', () => {
  it('a profile that is known is read as it was printed, and the schema accepts it', () => {
    for (const name of PROFILES) {
      const text = profileText(PROFILE[name]);
      expect(profileText(parseProfile('x', text))).toBe(text);
      expect(constantsOf(parseProfile('x', text))).toEqual(constantsOf(PROFILE[name]));
      expect([validate(JSON.parse(text)), validate.errors]).toEqual([true, null]);
      expect(profileFrom(PROFILE[name]).name).toBe(name);
    }
  });

  const note = fc.stringMatching(/^[\x21-\x7e\u00e4\u{1F600}]{1,40}$/u);
  const constant = (section: SectionName, name: string): fc.Arbitrary<object> => {
    const { least, most, mayBe0, isWhole } = boundsOfConstant(section, name);
    const low = mayBe0 && isWhole ? 0 : least;
    const value = isWhole ? fc.integer({ min: low, max: most }) : fc.double({ min: low, max: most, noNaN: true });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    return fc
      .record({ value, share, note, provenance: fc.constantFrom(...CONSTANT_SOURCES), fitted: fc.boolean() })
      .map(({ value: number, share: part, provenance, fitted, note: line }) => ({
        value: number,
        unit: PROFILE_UNITS.get(`${section}.${name}`)!,
        provenance,
        note: line,
        ...(fitted && { fitted }),
        ...((fitted || provenance === 'assumed' || part < 0.3) && { range: [number * part, number * (1 + part)] }),
      }));
  };
  const section = (name: SectionName): fc.Arbitrary<Fields> =>
    fc.record(
      Object.fromEntries(Object.keys(MEANINGS[name]).map((each) => [each, constant(name, each)])),
    ) as fc.Arbitrary<Fields>;
  const profile = fc.record({
    schema: fc.constant('stillwarm/profile@1'),
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/).filter((name) => !(name in PROFILE)),
    description: note,
    arch: fc.record({
      value: fc.constantFrom('x86_32', 'x86_64'),
      provenance: fc.constantFrom(...CONSTANT_SOURCES),
      note,
    }),
    guest: section('guest'),
    hypervisor: section('hypervisor'),
    disk: fc.record({ kind: fc.constant('nvme'), model: note, constants: section('nvme') }),
    nic: fc.record({ model: note, constants: section('nic') }),
  });

  property('a profile of any values within bounds is read, printed and read as the same', profile, (source) => {
    const read = parseProfile('x', JSON.stringify(source));
    const text = profileText(read);
    expect(profileText(parseProfile('x', text))).toBe(text);
    expect(validate(JSON.parse(text))).toBe(true);
    for (const [at, { value }] of constantsOf(read)) {
      const [part, name] = at.split('.') as [keyof Profile, string];
      const given = part === 'disk' || part === 'nic' ? source[part].constants[name] : source[part as 'guest'][name];
      expect((given as { value: number }).value).toBe(value);
    }
  });
});

const PROFILE_UNITS = new Map(
  (Object.keys(MEANINGS) as SectionName[]).flatMap((section) => {
    const profile = section === 'disk' ? PROFILE['pentium4-2006'] : PROFILE['server-2026'];
    const key = section === 'nvme' ? 'disk' : section;
    return [...constantsOf(profile)]
      .filter(([name]) => name.startsWith(`${key}.`))
      .map(([name, { unit }]) => [`${section}.${name.split('.')[1]!}`, unit] as const);
  }),
);

/** What may be wrong with a constant: what changes, and what the line says behind the key. */
const DAMAGES: readonly (readonly [
  field: string,
  change: (value: Plain | undefined) => Plain | undefined,
  told: RegExp,
])[] = [
  ['', () => undefined, /^: it is missing; give it, or name a profile in extends that has it$/],
  ['', () => 5, /^: expected an object, got 5$/],
  ['', () => [], /^: expected an object, got a list$/],
  ['value', () => undefined, /^\.value: it is missing$/],
  ['value', () => -1, /^\.value: expected an? /],
  ['value', () => 1e15, /^\.value: expected an? /],
  ['value', () => 'fast', /^\.value: expected an? .*, got "fast"$/],
  ['value', () => null, /^\.value: expected an? .*, got null$/],
  ['unit', () => undefined, /^\.unit: expected "[^"]*", got nothing$/],
  ['unit', () => 'us2', /^\.unit: expected "[^"]*", got "us2"$/],
  ['provenance', () => undefined, /^\.provenance: undefined is none of slide, data sheet, derived, assumed, measured$/],
  ['provenance', () => 'guessed', /^\.provenance: "guessed" is none of slide, /],
  ['fitted', () => 1, /^\.fitted: 1 is none of false, true$/],
  ['note', () => undefined, /^\.note: it is missing$/],
  ['note', () => '  ', /^\.note: expected a line of text$/],
  ['note', () => 'two\nlines', /^\.note: expected a line of text$/],
  ['note', () => 'x'.repeat(501), /^\.note: longer than 500 characters$/],
  ['range', () => [1], /^\.range: expected \[least, most\], two numbers of 0 or more$/],
  ['range', () => [-1, 1e15], /^\.range: expected \[least, most\]/],
  ['range', () => [8e15, 9e15], /^\.range: .* does not lie within /],
  ['more', () => 1, /: has no more; there are value, unit, provenance, fitted, note, range$/],
];

describe('a profile with one damage', () => {
  it('each single damage of each constant is refused in one line that names file and key', () => {
    let cases = 0;
    for (const name of PROFILES) {
      const root = whole(name);
      for (const path of pathsOfConstants(root))
        for (const [field, change, told] of DAMAGES) {
          const damaged = changed(root, field === '' ? path : [...path, field], change);
          const message = refusal(damaged);
          expect(message.slice(0, path.join('.').length)).toBe(path.join('.'));
          expect(message.slice(path.join('.').length)).toMatch(told);
          // A schema cannot tell a line from another text, nor compare two numbers.
          const isBeyondSchema = ['note', 'range'].includes(field) && !told.source.includes('missing');
          if (!isBeyondSchema) expect([path, field, validate(damaged)]).toEqual([path, field, false]);
          cases++;
        }
    }
    const constants = PROFILES.reduce((sum, name) => sum + constantsOf(PROFILE[name]).size, 0);
    expect(cases).toBe(constants * DAMAGES.length);
  });

  it('a range that is missing is named where the value was assumed or fitted', () => {
    for (const name of PROFILES)
      for (const path of pathsOfConstants(whole(name))) {
        const loose = changed(whole(name), path, (value) => {
          const { range: _, ...rest } = value as Fields;
          return { ...rest, provenance: 'assumed' };
        });
        const message = refusal(loose);
        expect(message).toBe(
          `${path.join('.')}.range: it is missing; what is assumed or fitted says from where to where it may well be: [least, most]`,
        );
        expect(validate(loose)).toBe(false);
        const fitted = changed(loose, path, (value) => ({
          ...(value as Fields),
          provenance: 'measured',
          fitted: true,
        }));
        expect(refusal(fitted)).toBe(message);
        expect(validate(fitted)).toBe(false);
      }
  });

  it.each<[readonly string[], Plain | undefined, string]>([
    [['schema'], undefined, 'profile: has no schema'],
    [['schema'], 'stillwarm/profile@2', 'schema: "stillwarm/profile@2" is none of stillwarm/profile@1'],
    [['name'], undefined, 'name: it is missing'],
    [
      ['name'],
      'my server',
      "name: expected a letter or digit, then letters, digits, '.', '_', '+' and '-', 64 at most",
    ],
    [['name'], 'server-2026\n', 'name: expected a line of text'],
    [['name'], 17, 'name: expected text, got 17'],
    [['extends'], 'server-2027', 'extends: "server-2027" is none of pentium4-2006, server-2026'],
    [['description'], undefined, 'description: it is missing'],
    [['arch'], undefined, 'arch: it is missing; give it, or name a profile in extends that has it'],
    [['arch', 'value'], 'arm64', 'arch.value: "arm64" is none of x86_64, x86_32'],
    [['arch', 'more'], 1, 'arch: has no more; there are value, provenance, note'],
    [['guest'], undefined, 'guest: it is missing; give it, or name a profile in extends that has it'],
    [['hypervisor'], undefined, 'hypervisor: it is missing; give it, or name a profile in extends that has it'],
    [['disk'], undefined, 'disk: it is missing; give it, or name a profile in extends that has it'],
    [['disk', 'kind'], 'tape', 'disk.kind: "tape" is none of disk, nvme'],
    [['disk', 'model'], undefined, 'disk.model: it is missing'],
    [
      ['disk', 'constants'],
      undefined,
      'disk.constants: it is missing; give it, or name a profile in extends that has it',
    ],
    [['nic'], undefined, 'nic: it is missing; give it, or name a profile in extends that has it'],
    [['guest', 'syscallNs', 'range'], [1, 2], 'guest.syscallNs.range: 120 does not lie within 1 to 2'],
    [['nic', 'model'], '', 'nic.model: expected a line of text'],
    [['guest', 'sysCallNs'], 1, 'guest: has no sysCallNs; there are syscallNs, pageLookupNs, '],
    [['guest', '__proto__'], 1, 'guest: has no __proto__; there are syscallNs, '],
    [['guest', 'a\nb'], 1, 'guest: has no "a\\nb"; there are syscallNs, '],
    [['cpu'], {}, 'profile: has no cpu; there are schema, name, extends, '],
  ])('a profile whose %j is %j is refused in one line that names the key', (path, value, told) => {
    // Assigned, a key __proto__ would be the prototype.
    const root = whole('server-2026');
    const key = path.at(-1)!;
    const damaged =
      key === '__proto__'
        ? JSON.stringify(root).replace('"syscallNs"', '"__proto__":1,"syscallNs"')
        : changed(root, path, () => value);
    expect(refusal(damaged).slice(0, told.length)).toBe(told);
  });

  it.each([
    ['no JSON', 'profile', 'line 1, column 1: expected a value'],
    ['an empty file', '', 'line 1, column 1: expected a value'],
    ['a list', '[]', 'profile: has no schema'],
    ['a number', '17', 'profile: expected an object, got 17'],
    ['a key twice', '{"name":"a",\n"name":"b"}', 'line 2, column 1: the object has this key already'],
    ['a number beyond all', '{"name":1e999}', 'line 1, column 9: a number too large to be compared exactly'],
    ['NaN', '{"name":NaN}', 'line 1, column 9: expected a value'],
    ['brackets without end', '['.repeat(100), 'line 1, column 65: nested more than 64 deep'],
  ])('a profile that is %s is refused with its place', (_, text, told) => {
    expect(refusal(text)).toBe(told);
  });

  it('a drive that can be no drive is refused by the name of its constant', () => {
    const root = whole('pentium4-2006');
    const slow = changed(root, ['disk', 'constants', 'averageSeekNs', 'value'], () => 16_000_000);
    const wide = changed(slow, ['disk', 'constants', 'averageSeekNs', 'range'], () => [0, 1e9]);
    expect(refusal(wide)).toBe('disk.constants.averageSeekNs: the seek times make a curve that never falls');
  });
});

describe('a profile that extends another', () => {
  const constant = { value: 300, unit: 'ns', provenance: 'measured', note: 'by hand' } as const;
  const short = { name: 'short', extends: 'server-2026', guest: { syscallNs: constant } } as const;

  it('a short profile has what it says, and all else from the base, which the notes say', () => {
    const profile = profileFrom(short);
    const base = constantsOf(PROFILE['server-2026']);
    expect(profile.description).toBe('server-2026, changed.');
    expect(profile.arch).toEqual(PROFILE['server-2026'].arch);
    for (const [name, of] of constantsOf(profile))
      if (name === 'guest.syscallNs') expect(of).toEqual({ ...constant, fitted: false });
      else expect(of).toEqual({ ...base.get(name)!, note: `from server-2026: ${base.get(name)!.note}` });
    expect(validate({ schema: 'stillwarm/profile@1', ...short })).toBe(true);
    expect(validate(JSON.parse(profileText(profile)))).toBe(true);
  });

  it('a drive of the same kind may be a part of one, and one of another kind is whole', () => {
    const { kind, constants } = PROFILE['server-2026'].disk;
    const readLatencyNs = { ...constant, value: 90_000 };
    const part = { ...short, disk: { kind: 'nvme', constants: { readLatencyNs } } } as const;
    const { disk } = profileFrom(part);
    expect([disk.kind, disk.model]).toEqual(['nvme', PROFILE['server-2026'].disk.model]);
    expect(disk.constants).toMatchObject({ readLatencyNs: { value: 90_000 }, channels: { value: 64 } });
    const other = { schema: 'stillwarm/profile@1', ...part, extends: 'pentium4-2006' } as unknown as Fields;
    expect(refusal(other)).toBe('disk.model: it is missing');
    expect(
      profileFrom({ ...short, extends: 'pentium4-2006', disk: { kind, model: 'mine', constants } }).disk,
    ).toMatchObject({
      kind,
      model: 'mine',
    });
  });

  it('a profile that has a name of ours is that profile, or is refused', () => {
    expect(() => profileFrom({ ...short, name: 'pentium4-2006' })).toThrow(
      'name: pentium4-2006 is another profile: give this one a name of its own',
    );
    expect(() => profileFrom({ ...PROFILE['server-2026'], name: 'constructor' })).not.toThrow();
  });
});

it('the profile that the page docs/how-to/describe-your-machine.md shows is read', () => {
  const page = readFileSync(new URL('../../../docs/how-to/describe-your-machine.md', import.meta.url), 'utf8');
  const [, text] = /```json\n([^]*?)```/.exec(page)!;
  const { name, guest } = parseProfile('page', text!);
  expect([name, guest.syscallNs.value, guest.bootServicesNs.value]).toEqual(['my-server', 90, 12e9]);
  expect(validate(JSON.parse(text!))).toBe(true);
});

describe('a profile that a program gives', () => {
  it('an object that is no profile is an ArgumentError that names the argument', () => {
    const source = { ...PROFILE['server-2026'], name: 'mine' };
    for (const [profile, message] of [
      ['server-2027', /^profile: "server-2027" is none of pentium4-2006, server-2026$/],
      [null, /^profile: null is none of /],
      [[], /^profile: a list is none of /],
      [{ ...source, guest: {} }, /^profile\.guest\.syscallNs: it is missing/],
      [{ ...source, name: 5 }, /^profile\.name: expected text, got 5$/],
      [{ ...source, schema: 'x' }, /^profile\.schema: "x" is none of stillwarm\/profile@1$/],
    ] as const) {
      expect(() => resolveProfile(profile as never)).toThrow(message);
      expect(() => resolveProfile(profile as never)).toThrow(expect.objectContaining({ name: 'ArgumentError' }));
    }
  });

  it('a result tells the name of a profile, and the constants of one that is not known', () => {
    expect(profileInResult({ profile: 'server-2026' })).toEqual({ profile: 'server-2026' });
    const own = { name: 'mine', extends: 'server-2026' };
    const told = profileInResult({ profile: own });
    expect(told.profile).toBe('mine');
    expect(told.profileConstants).toHaveLength(constantsOf(PROFILE['server-2026']).size);
    expect(told.profileConstants![0]).toEqual({ constant: 'guest.syscallNs', value: 120 });
    expect([nameOfProfile(own), archOf({ profile: own })]).toEqual(['mine', 'x86_64']);
    expect(profileOf({ profile: own, constants: { 'guest.syscallNs': 99 } }).guest.syscallNs.value).toBe(99);
  });

  it('zero is never below zero, whichever way it is written', () => {
    const root = JSON.stringify(whole('server-2026')).replace('"killWaitNs":{"value":0', '"killWaitNs":{"value":-0');
    expect(Object.is(parseProfile('x', root).guest.killWaitNs.value, 0)).toBe(true);
  });
});

/**
 * A profile as JSON: what `stillwarm profile --json` prints, and what `--profile FILE.json` reads.
 *
 * experiment/host/profile-file.ts reads it, and names the key of whatever is wrong. Names, meanings
 * and units are those of machine/profile.ts, and the bounds those of the reader.
 */

import { Type, type TProperties } from 'typebox';
import { ARCHS } from '../base/arch.ts';
import { kind, object, oneOf, result, text } from '../experiment/guest/schema.ts';
import {
  boundsOfConstant,
  PROFILE_NAME,
  PROFILE_SCHEMA,
  PROFILES,
  type SectionName,
  TEXT_MAX,
} from '../experiment/host/profile-file.ts';
import { CONSTANT_SOURCES, MEANINGS, unitOfConstant } from '../machine/profile.ts';

const PROVENANCE = oneOf('Where it comes from.', CONSTANT_SOURCES);
const line = (description: string, maxLength: number) => Type.String({ description, minLength: 1, maxLength });
const NOTE = line('One line: the source, the derivation, or why it is plausible.', TEXT_MAX.note);
const MODEL = Type.Optional(line('What it is called.', TEXT_MAX.model));

/** An object that has all of these fields, whatever else is said of them. */
const having = (names: readonly string[], said: Readonly<Record<string, object>> = {}): object => ({
  type: 'object',
  required: names,
  properties: { ...Object.fromEntries(names.map((name) => [name, true])), ...said },
});

const Constant = Type.Object(
  {
    value: Type.Number({
      description: 'The number, in the unit in which the name of the constant ends (Ns, Bytes), 0 or more.',
    }),
    unit: text('Its unit, as the tables below say it; empty for a count.'),
    provenance: PROVENANCE,
    fitted: Type.Optional(
      Type.Boolean({ description: 'Whether it was chosen so that the model meets a figure; by default it was not.' }),
    ),
    note: NOTE,
    range: Type.Optional(
      Type.Array(Type.Number({ minimum: 0 }), {
        description:
          'Least and most that it may well be, the value between them. It is there where it was assumed or fitted.',
        minItems: 2,
        maxItems: 2,
      }),
    ),
  },
  {
    title: 'constant',
    description: 'A cost or a size, and where it comes from.',
    additionalProperties: false,
    anyOf: [having(['range']), { properties: { provenance: { not: { const: 'assumed' } }, fitted: { const: false } } }],
  },
);

/** Fields that a profile which extends another one may leave out. */
function constantsOf(section: SectionName): TProperties {
  return Object.fromEntries(
    Object.entries<string>(MEANINGS[section]).map(([name, meaning]) => {
      const { least, most, mayBe0, isWhole } = boundsOfConstant(section, name);
      const unit = unitOfConstant(name);
      const range = `${mayBe0 && least > 0 ? '0, or ' : ''}${least} to ${most}${unit === '' ? '' : ` ${unit}`}`;
      const value = { type: isWhole ? 'integer' : 'number', minimum: mayBe0 ? 0 : least, maximum: most };
      const field = {
        $ref: '#/$defs/constant',
        description: `${meaning[0]!.toUpperCase()}${meaning.slice(1)}: ${range}.`,
        allOf: [{ type: 'object', properties: { value, unit: { const: unit } } }],
      };
      return [name, Type.Optional(Type.Unsafe(field))];
    }),
  );
}

const GuestSection = kind('guest', 'Costs of a guest kernel.', constantsOf('guest'));
const HypervisorSection = kind('hypervisor', 'Costs of the hypervisor and of domain 0.', constantsOf('hypervisor'));
const constants = (section: SectionName, description: string) =>
  Type.Optional(object(description, constantsOf(section)));
const RotatingDisk = kind('disk', 'A disk with platters.', {
  kind: Type.Literal('disk', { description: 'Says that it is one.' }),
  model: MODEL,
  constants: constants('disk', 'Its constants.'),
});
const FlashDrive = kind('nvme', 'A flash drive.', {
  kind: Type.Literal('nvme', { description: 'Says that it is one.' }),
  model: MODEL,
  constants: constants('nvme', 'Its constants.'),
});
const Adapter = kind('nic', 'A network adapter.', { model: MODEL, constants: constants('nic', 'Its constants.') });

const refer = (name: string, description: string) =>
  Type.Optional(Type.Unsafe({ $ref: `#/$defs/${name}`, description }));
const all = (section: SectionName): object => having(Object.keys(MEANINGS[section]));
const wholeDisk = (section: 'disk' | 'nvme'): object =>
  having(['kind', 'model', 'constants'], { kind: { const: section }, constants: all(section) });

const FIELDS = result(
  PROFILE_SCHEMA,
  'A profile, which is the result of stillwarm profile --json',
  `\`--profile FILE.json\` reads such an object. A profile that \`extends\` another one may leave out what it takes from it: any
constant, the architecture, the name of a drive. A drive of another kind than that of the extended profile leaves out nothing.
Without \`extends\`, nothing is optional besides \`fitted\`, and \`range\` where nothing was assumed or fitted. A key that is not
listed here is refused. [Describe your machine](../how-to/describe-your-machine.md) shows how one is made.`,
  {
    name: Type.String({
      description: 'What results call it. Names of profiles that are known mean those.',
      pattern: PROFILE_NAME.source,
    }),
    extends: Type.Optional(oneOf('The profile from which it takes what it leaves out.', PROFILES)),
    description: Type.Optional(line('What machine this is, and which of its figures are firm.', TEXT_MAX.description)),
    arch: Type.Optional(
      object('The architecture of the machine, and where that comes from.', {
        value: oneOf('The architecture.', ARCHS),
        provenance: PROVENANCE,
        note: NOTE,
      }),
    ),
    guest: refer('guest', 'Costs of a guest kernel.'),
    hypervisor: refer('hypervisor', 'Costs of the hypervisor and of domain 0.'),
    disk: Type.Optional(
      Type.Unsafe({ anyOf: [{ $ref: '#/$defs/disk' }, { $ref: '#/$defs/nvme' }], description: 'Its drive.' }),
    ),
    nic: refer('nic', 'Its network adapter.'),
  },
  [Constant, GuestSection, HypervisorSection, RotatingDisk, FlashDrive, Adapter],
);

/** The definition, with what only a profile must have that extends none. */
export const ProfileResult = {
  ...FIELDS,
  if: { not: having(['extends']) },
  then: having(['description', 'arch', 'guest', 'hypervisor', 'disk', 'nic'], {
    guest: all('guest'),
    hypervisor: all('hypervisor'),
    disk: { anyOf: [wholeDisk('disk'), wholeDisk('nvme')] },
    nic: having(['model', 'constants'], { constants: all('nic') }),
  }),
};

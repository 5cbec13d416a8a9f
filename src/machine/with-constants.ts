/**
 * A profile with other values for some of its constants: what a study of sensitivity runs on.
 *
 * What makes sense is told by the unit. Costs and sizes are whole, except ns/B and MB/s. Counts and
 * rates are more than zero. A value is within a thousandth and a thousand times of the profile's,
 * so that a run ends. A drive or an adapter may refuse more when it is made.
 */

import { ArgumentError, checkInteger, checkKeys, shown } from '../base/argument-error.ts';
import {
  type Constant,
  type ConstantName,
  constantsOf,
  type DiskSection,
  type LooseConstant,
  type Profile,
} from './profile.ts';

/** How many times as large or as small as the profile's a value may be. */
const MOST_TIMES = 1000;
/** The most where the profile has 0: 1,000 s. */
const MOST_FOR_NOTHING = 1e12;
/** An adapter takes whole packets, of up to 64 KiB and headers. */
const LEAST_QUEUE_BYTES = 2 ** 17;

/** Sizes of which there is at least one byte. */
const NEVER_EMPTY: readonly ConstantName[] = ['disk.capacityBytes', 'nic.segmentBytes', 'nic.queueBytes'];

/**
 * The profile with other values, by name: `{ 'guest.copyNsPerByte': 0.9 }`. A constant that was
 * given another value counts as assumed, whatever it came from. The profile keeps its own.
 * @throws ArgumentError for an unknown name, or a number that makes no sense
 */
export function withConstants(profile: Profile, changes: Readonly<Partial<Record<ConstantName, number>>>): Profile {
  const known = constantsOf(profile);
  checkKeys('changes', changes, [...known.keys()]);
  const changed = new Map<string, LooseConstant>();
  for (const [name, value] of Object.entries(changes) as [ConstantName, number][]) {
    const before = known.get(name)!;
    checkValue(name, before, value);
    const note = `${value} given in place of ${before.value}`;
    changed.set(name, { value, range: [value, value], unit: before.unit, provenance: 'assumed', fitted: false, note });
  }
  const section = <T extends object>(prefix: string, constants: T): T =>
    Object.fromEntries(
      Object.entries(constants).map(([name, constant]) => [name, changed.get(`${prefix}.${name}`) ?? constant]),
    ) as T;
  const { guest, hypervisor, disk, nic } = profile;
  return {
    ...profile,
    guest: section('guest', guest),
    hypervisor: section('hypervisor', hypervisor),
    disk: { ...disk, constants: section('disk', disk.constants) } as DiskSection,
    nic: { ...nic, constants: section('nic', nic.constants) },
  };
}

function checkValue(name: ConstantName, { unit, value: before }: Constant, value: number): void {
  const argument = `changes: ${name}`;
  const isSwitch = name === 'hypervisor.netbackFlips';
  const isAbove0 = !isSwitch && (['', '1/min', 'MB/s'].includes(unit) || NEVER_EMPTY.includes(name));
  const most = isSwitch ? 1 : before === 0 ? MOST_FOR_NOTHING : before * MOST_TIMES;
  const least = name === 'nic.queueBytes' ? LEAST_QUEUE_BYTES : before / MOST_TIMES;
  if (unit === 'ns/B' || unit === 'MB/s') {
    const isRight = Number.isFinite(value) && value <= most && (value >= least || (value === 0 && !isAbove0));
    const range = `${isAbove0 ? '' : '0, or '}${least} to ${most}`;
    if (!isRight) throw new ArgumentError(`${argument}: expected a number, ${range}, got ${shown(value)}`);
  } else checkInteger(argument, value, isAbove0 ? Math.max(1, Math.ceil(least)) : 0, Math.floor(most));
}

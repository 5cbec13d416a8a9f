/**
 * A profile with other values for some of its constants: what a study of sensitivity runs on.
 *
 * A value is within a thousandth and a thousand times of the profile's (constant-bounds.ts). A
 * drive or an adapter may refuse more when it is made.
 */

import { checkKeys } from '../base/argument-error.ts';
import { boundsOf, checkValue } from './constant-bounds.ts';
import { type ConstantName, constantsOf, type DiskSection, type LooseConstant, type Profile } from './profile.ts';

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
    checkValue(`changes: ${name}`, boundsOf(name, before.value), value);
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

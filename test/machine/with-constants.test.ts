import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/base/index.ts';
import { makeServiceTime } from '../../src/disk/drive/make-service-time.ts';
import { type ConstantName, constantsOf } from '../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../src/machine/profiles/pentium4-2006.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { withConstants } from '../../src/machine/with-constants.ts';

const PROFILES = [PENTIUM4_2006, SERVER_2026];
const SECTIONS = ['guest.syscallNs', 'hypervisor.crcNsPerByte', 'disk.rpm', 'nic.lineMBps'] as const;

describe('withConstants', () => {
  it('withConstants changes what it was given, says what stood there, and leaves the profile as it was', () => {
    const before = structuredClone(PENTIUM4_2006);
    const changed = withConstants(PENTIUM4_2006, Object.fromEntries(SECTIONS.map((name) => [name, 100])));
    expect(PENTIUM4_2006).toEqual(before);
    for (const [name, constant] of constantsOf(changed)) {
      const old = constantsOf(before).get(name)!;
      if (!(SECTIONS as readonly string[]).includes(name)) expect(constant).toEqual(old);
      else
        expect(constant).toEqual({
          value: 100,
          range: [100, 100],
          unit: old.unit,
          provenance: 'assumed',
          fitted: false,
          note: `100 given in place of ${old.value}`,
        });
    }
  });

  it.each(PROFILES)('withConstants takes the ends of every range of $name, and the drive does', (profile) => {
    let ranges = 0;
    for (const [name, { range }] of constantsOf(profile))
      for (const value of range ?? []) {
        ranges++;
        const { disk } = withConstants(profile, { [name]: value });
        expect(() => makeServiceTime(disk), name).not.toThrow();
      }
    expect(ranges).toBeGreaterThan(100);
  });

  it.each<[ConstantName, number]>([
    ['guest.syscallNs', -1],
    ['guest.syscallNs', 400_001],
    ['guest.copyNsPerByte', 668],
    ['guest.copyNsPerByte', 0.0006],
    ['guest.bootServicesNs', 1e15],
    ['hypervisor.processors', 1001],
    ['hypervisor.netbackFlips', 2],
    ['hypervisor.netbackFlips', 0.5],
    ['disk.busMBps', 1e-6],
    ['disk.zones', 1e9],
    ['disk.destageDelayNs', 1e12 + 1],
    ['nic.queueBytes', 1],
    ['guest.syscallNs', 0.5],
    ['guest.syscallNs', NaN],
    ['guest.copyNsPerByte', -0.1],
    ['guest.copyNsPerByte', Infinity],
    ['hypervisor.processors', 0],
    ['disk.outerMBps', 0],
    ['disk.rpm', 0],
    ['disk.capacityBytes', 0],
    ['nic.segmentBytes', 0],
    ['disk.channels', 4],
  ])('withConstants refuses %s = %d for the machine of the paper, by its name', (name, value) => {
    expect(() => withConstants(PENTIUM4_2006, { [name]: value })).toThrow(ArgumentError);
    expect(() => withConstants(PENTIUM4_2006, { [name]: value })).toThrow(new RegExp(`^changes: .*${name}`));
  });

  it('withConstants refuses a name that no section has', () => {
    const changes = Object.fromEntries([['guest.copyNsPerBit', 1]]);
    expect(() => withConstants(PENTIUM4_2006, changes)).toThrow(
      /^changes: has no guest\.copyNsPerBit; there are guest\./,
    );
  });
});

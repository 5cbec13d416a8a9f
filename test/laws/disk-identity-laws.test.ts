// The law of docs/adr/0010: a reused page is its block of the disk that is bound now, whatever was
// done to disks and names meanwhile.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { casesOf } from '../support/product.ts';
import { checkProperty, property, TIMEOUT_MS } from '../support/property.ts';
import { type Deed, DISK_BLOCKS, DiskLab, PART_BLOCKS, type Tamper, type Who } from './disk-lab.ts';

const who = fc.constantFrom<Who>(0, 1);
const store = fc.nat(2);
const block = fc.nat(DISK_BLOCKS - 1);
const tamper: fc.Arbitrary<Tamper> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), store, block }) },
  fc.record({ do: fc.constantFrom('snapshot' as const, 'roll back' as const), store }),
  fc.record({ do: fc.constant('clone' as const), who, block }),
  fc.constant({ do: 'exchange' as const }),
  fc.record({ do: fc.constant('rename' as const), who }),
  fc.record({ do: fc.constant('view' as const), who, first: fc.constantFrom(0, 8, 16, 24, 32) }),
);
const tampers = fc.array(tamper, { maxLength: 3 });
const standing = fc.array(tamper, { maxLength: 1 });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'store' as const), who, block }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reboot' as const), who, crash: fc.boolean(), tampers }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('warm-cache' as const, 'warm-vm' as const),
      first: who,
      tampers,
      standing,
      writes: fc.array(fc.nat(PART_BLOCKS - 1), { maxLength: 3 }),
    }),
  },
  fc.record({ do: fc.constant('save' as const), who, vouch: fc.boolean(), tampers, standing }),
  fc.record({ do: fc.constant('migrate' as const), who, tampers }),
  fc.record({ do: fc.constant('meanwhile' as const), tampers }),
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('devices' as const), at: fc.constantFrom(0 as const, 1 as const) }),
  },
);
const deeds = fc.array(deed, { minLength: 4, maxLength: 14, size: 'max' });

function live(all: readonly Deed[], lab = new DiskLab()): DiskLab {
  for (const one of all) lab.perform(one);
  lab.end();
  return lab;
}

const LAW =
  'a page that is reused is its block of the disk that is bound now, and a guest that goes on has the disk that it had';

property(LAW, deeds, (all) => void live(all), { numRuns: 3, lawRuns: 20 });

it('the suite, with the protection switched off, finds the violation and prints the shortest trace', {
  timeout: TIMEOUT_MS,
}, () => {
  let trace = '';
  try {
    const protections = { deviceIdentity: false };
    const where = { name: LAW, file: 'test/laws/disk-identity-laws.test.ts' };
    checkProperty(where, [deeds], (all) => void live(all as Deed[], new DiskLab(protections)), { numRuns: 40 });
  } catch (error) {
    trace = (error as Error).message;
  }
  expect(trace).toMatch(/^counterexample: .*\nbecause: guest .*\nreplay: STILLWARM_SEED=/m);
});

describe('what is done while no guest runs', () => {
  const BLOCK = 3;
  const rollBack: Tamper[] = [
    { do: 'snapshot', store: 0 },
    { do: 'roll back', store: 0 },
  ];
  /** To the first guest, or to its disk. */
  const TAMPERS = {
    nothing: [],
    'a write to one of its blocks': [{ do: 'write', store: 0, block: BLOCK }],
    'a write elsewhere on the disk': [{ do: 'write', store: 0, block: 2 * PART_BLOCKS }],
    'a snapshot rolled back': rollBack,
    'a clone': [{ do: 'clone', who: 0, block: BLOCK }],
    'an exchange': [{ do: 'exchange' }],
    'another name': [{ do: 'rename', who: 0 }],
    'a view of other sectors': [{ do: 'view', who: 0, first: 8 }],
  } as const satisfies Record<string, readonly Tamper[]>;
  type Counts = Partial<DiskLab['counts']>;
  const [all, half] = [2 * PART_BLOCKS, PART_BLOCKS];
  const NONE = { reused: 0, goneOn: 0, refused: 0, bootedAnew: 0, otherDisk: 0, diskChanged: 0 };
  const other = { reused: half, otherDisk: half };

  function outcome(deeds: readonly Deed[]): DiskLab['counts'] {
    return live(deeds).counts;
  }
  const expected = (counts: Counts): DiskLab['counts'] => ({ read: all, ...NONE, ...counts });

  // A guest that goes on has asked for no page; both ask at the end, but nothing was preserved for
  // them.
  const TABLE: Record<
    'reboot' | 'warm-cache' | 'warm-vm' | 'save' | 'migrate',
    Record<keyof typeof TAMPERS, Counts>
  > = {
    // The domain keeps the disk that it was built with.
    reboot: {
      nothing: { reused: half },
      'a write to one of its blocks': { diskChanged: half },
      'a write elsewhere on the disk': { reused: half },
      'a snapshot rolled back': { diskChanged: half },
      'a clone': { reused: half },
      'an exchange': { reused: half },
      'another name': { reused: half },
      'a view of other sectors': { reused: half },
    },
    'warm-cache': {
      nothing: { reused: all },
      'a write to one of its blocks': { reused: half, diskChanged: half },
      'a write elsewhere on the disk': { reused: all },
      'a snapshot rolled back': { diskChanged: all },
      'a clone': other,
      'an exchange': { otherDisk: all },
      'another name': other,
      'a view of other sectors': other,
    },
    'warm-vm': {
      nothing: { goneOn: 2 },
      'a write to one of its blocks': { goneOn: 1, bootedAnew: 1 },
      'a write elsewhere on the disk': { goneOn: 2 },
      'a snapshot rolled back': { bootedAnew: 2 },
      'a clone': { goneOn: 1, bootedAnew: 1 },
      'an exchange': { bootedAnew: 2 },
      'another name': { goneOn: 1, bootedAnew: 1 },
      'a view of other sectors': { goneOn: 1, bootedAnew: 1 },
    },
    save: {
      nothing: { goneOn: 1 },
      'a write to one of its blocks': { bootedAnew: 1 },
      'a write elsewhere on the disk': { goneOn: 1 },
      'a snapshot rolled back': { bootedAnew: 1 },
      'a clone': { bootedAnew: 1 },
      'an exchange': { bootedAnew: 1 },
      'another name': { bootedAnew: 1 },
      'a view of other sectors': { bootedAnew: 1 },
    },
    // Here the guest runs meanwhile: a write is its own affair, but another disk is not.
    migrate: {
      nothing: { goneOn: 1 },
      'a write to one of its blocks': { goneOn: 1 },
      'a write elsewhere on the disk': { goneOn: 1 },
      'a snapshot rolled back': { goneOn: 1 },
      'a clone': { goneOn: 1, refused: 1 },
      'an exchange': { goneOn: 1, refused: 1 },
      'another name': { goneOn: 1, refused: 1 },
      'a view of other sectors': { goneOn: 1, refused: 1 },
    },
  };
  const deedOf = (kind: keyof typeof TABLE, tampers: readonly Tamper[]): Deed =>
    kind === 'warm-cache' || kind === 'warm-vm'
      ? { do: kind, first: 0, tampers }
      : kind === 'reboot'
        ? { do: kind, who: 0, crash: true, tampers }
        : kind === 'save'
          ? { do: kind, who: 0, vouch: true, tampers }
          : { do: kind, who: 0, tampers };

  describe.each(Object.keys(TABLE) as (keyof typeof TABLE)[])('%s', (kind) => {
    const names = Object.keys(TAMPERS) as (keyof typeof TAMPERS)[];
    it.each(casesOf('what is done to disks while no guest runs', kind, names, { sample: 3, whole: 8 }))(
      'tampering while no guest runs, %s, costs what the table says',
      (name) => {
        expect(outcome([deedOf(kind, TAMPERS[name])])).toEqual(expected(TABLE[kind][name]));
      },
    );
  });

  it.each([
    ['reboot', { reused: half }],
    ['warm-cache', { reused: all }],
    ['warm-vm', { goneOn: 2 }],
    ['save', { goneOn: 1 }],
    ['migrate', { goneOn: 1 }],
  ] as const)('what guests have written themselves is no reason to be cold after %s', (kind, counts) => {
    const writes = ([0, 1] as const).map((who): Deed => ({ do: 'store', who, block: BLOCK }));
    expect(outcome([...writes, deedOf(kind, [])])).toMatchObject({ ...NONE, ...counts });
  });

  it('a guest does not get what it has not asked for by the time somebody writes while it runs', () => {
    const reboot: Deed = { do: 'reboot', who: 0, crash: true, tampers: [] };
    // Half of its pages are asked for when it boots, the rest at the end.
    const after = (name: keyof typeof TAMPERS) => outcome([reboot, { do: 'meanwhile', tampers: TAMPERS[name] }]);
    expect(after('a write to one of its blocks')).toEqual(expected({ reused: half / 2 }));
    expect(after('a write elsewhere on the disk')).toEqual(expected({ reused: half }));
    expect(after('a snapshot rolled back')).toEqual(expected({ reused: half / 2 }));
  });

  it.each([
    ['a write to one of its blocks', 0],
    ['a write elsewhere on the disk', half],
  ] as const)(
    'the pages of a guest that was suspended are vouched for as before after %s: %i of them',
    (name, reused) => {
      const reboot: Deed = { do: 'reboot', who: 0, crash: true, tampers: [] };
      const deeds: Deed[] = [{ do: 'meanwhile', tampers: TAMPERS[name] }, deedOf('warm-vm', []), reboot];
      expect(outcome(deeds)).toMatchObject({ goneOn: 2, reused });
    },
  );

  it.each([
    ['a write to one of its blocks', { goneOn: 1, bootedAnew: 1 }, { bootedAnew: 1 }],
    ['a write elsewhere on the disk', { goneOn: 2 }, { goneOn: 1 }],
    ['a snapshot rolled back', { bootedAnew: 2 }, { bootedAnew: 1 }],
  ] as const)('the change %s counts from the moment at which the guest stands still', (name, suspended, saved) => {
    const standing = TAMPERS[name];
    const warmVm: Deed = { do: 'warm-vm', first: 0, tampers: [], standing };
    expect(outcome([warmVm])).toEqual(expected(suspended));
    const save: Deed = { do: 'save', who: 0, vouch: false, tampers: [], standing };
    expect(outcome([save])).toEqual(expected(saved));
  });

  it('a change between two guests counts, too', () => {
    const nothing: Tamper = { do: 'snapshot', store: 0 };
    const between = (tamper: Tamper): Deed => ({ do: 'reboot', who: 0, crash: false, tampers: [nothing, tamper] });
    expect(outcome([between({ do: 'write', store: 0, block: BLOCK })])).toEqual(expected({ diskChanged: half }));
    expect(outcome([between({ do: 'write', store: 0, block: 2 * PART_BLOCKS })])).toEqual(expected({ reused: half }));
  });

  it.each([
    ['nothing', half],
    ['a write to one of its blocks', 0],
  ] as const)('a guest that has moved after %s keeps what was vouched for over its next reboot', (name, reused) => {
    const again: Deed = { do: 'reboot', who: 0, crash: false, tampers: [] };
    expect(outcome([deedOf('migrate', TAMPERS[name]), again])).toMatchObject({ goneOn: 1, reused });
  });

  it('a guest that is there first may write to what was left of the next: to some blocks of it', () => {
    const view: Deed = { do: 'warm-cache', first: 0, tampers: [{ do: 'view', who: 0, first: 24 }] };
    const again = outcome([view, { do: 'warm-cache', first: 0, tampers: [], writes: [0, 1] }]);
    expect(again).toMatchObject({ otherDisk: half, diskChanged: 2, reused: half / 2 + half - 2 });
    expect(outcome([view, { do: 'warm-vm', first: 0, tampers: [], writes: [0, 1] }])).toMatchObject({ goneOn: 2 });
  });

  it('a view over the same sectors takes the pages that it overwrites, and no others', () => {
    const view: Deed = { do: 'warm-cache', first: 0, tampers: [{ do: 'view', who: 0, first: 24 }] };
    const writes = [0, 1, 2].map((block): Deed => ({ do: 'store', who: 0, block }));
    const reboot: Deed = { do: 'reboot', who: 1, crash: true, tampers: [] };
    // Blocks 24 to 26 of the disk are 8 to 10 of the second guest's. That guest has taken half of
    // its pages over and asks for the rest.
    const counts = outcome([view, ...writes, reboot]);
    expect(counts).toMatchObject({ otherDisk: half, diskChanged: 0, reused: half / 2 + half - 3 });
  });
});

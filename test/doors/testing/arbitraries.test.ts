// What the arbitraries of the door make: trees that are disks, reboots and faults that a machine
// takes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type FileTree,
  files,
  Machine,
  type MachineOptions,
  STRATEGIES,
  VMM_STRATEGIES,
} from '../../../src/doors/machine/index.ts';
import {
  comparing,
  contents,
  type Fault,
  faults,
  ModelFs,
  playing,
  programOf,
  programs,
  reboots,
  readingAll,
  trees,
} from '../../../src/doors/testing/index.ts';
import { property } from '../../support/property.ts';

const SMALL: MachineOptions = { disk: files({}), memory: 16 << 20, drive: 'instant' };

function fill(model: ModelFs, tree: FileTree, path = ''): void {
  for (const [name, content] of Object.entries(tree)) {
    const at = `${path}/${name}`;
    if (typeof content === 'string' || content instanceof Uint8Array) {
      model.create(at, true);
      model.write(at, 0, typeof content === 'string' ? new TextEncoder().encode(content) : content);
    } else {
      model.mkdir(at);
      fill(model, content, at);
    }
  }
}

describe('the arbitraries of the door', () => {
  property(
    'a tree is a disk from which a guest reads what the tree says',
    trees(),
    (tree) => {
      const model = new ModelFs();
      fill(model, tree);
      const machine = Machine.boot({ ...SMALL, disk: files(tree) });
      machine.run(comparing(model));
      machine.run(playing(model, [{ do: 'stat', path: '/absent' }]));
      for (const { path, bytes } of model.files()) expect(machine.sys.stat(path).size).toBe(bytes.length);
    },
    { numRuns: 6, lawRuns: 15 },
  );

  property(
    'a program answers in the guest what it answers in the model, and a guest without the model ends alike',
    programs(),
    (calls) => {
      const [model, one, other] = [new ModelFs(), Machine.boot(SMALL), Machine.boot(SMALL)];
      // The root has a lost+found, of which the model knows nothing.
      for (const machine of [one, other]) machine.sys.mkdir('/home');
      one.run(playing(model, calls, '/home'));
      other.run(programOf(calls, '/home'));
      const lines = one.run(readingAll('/home'));
      expect(other.run(readingAll('/home'))).toEqual(lines);
      expect(lines.filter((line) => / 100\d{3} /.test(line))).toHaveLength(model.files().length);
    },
    { numRuns: 6, lawRuns: 15 },
  );

  it('a guest that answers something else than the model is reported on one line', () => {
    const machine = Machine.boot(SMALL);
    const model = new ModelFs();
    model.create('/a', true);
    expect(() => machine.run(playing(model, [{ do: 'read', path: '/a' }]))).toThrow(
      /^: \{"do":"read","path":"\/a"\} is "ENOENT" and should be 0 bytes $/,
    );
    expect(() => machine.run(comparing(model))).toThrow('ENOENT');
    expect(contents(5, 1)).toHaveLength(5);
  });

  it('reboots are of all kinds, and of those that are asked for', () => {
    const all = fc.sample(reboots(), { numRuns: 300, seed: 1 });
    expect(new Set(all.map(({ strategy }) => strategy))).toEqual(new Set(STRATEGIES));
    expect(new Set(all.map(({ hypervisor }) => hypervisor))).toEqual(new Set([undefined, ...VMM_STRATEGIES]));
    expect(new Set(all.map(({ crash }) => crash))).toEqual(new Set([false, true]));
    const some = fc.sample(reboots({ crash: true, strategies: ['rio'], hypervisors: [] }), { numRuns: 20, seed: 1 });
    expect(some).toEqual(some.map(() => ({ crash: true, strategy: 'rio' })));
  });

  it.each<[string, () => unknown]>([
    ['options.strategies', () => reboots({ strategies: [] })],
    ['options.kinds', () => faults({ kinds: [] })],
  ])('an empty list of %s is an ArgumentError', (name, act) => {
    expect(act).toThrow(ArgumentError);
    expect(act).toThrow(`${name}: expected one or more`);
  });

  it('faults are of both kinds, and end where they are told to', () => {
    const all = fc.sample(faults({ maxEvent: 7 }), { numRuns: 200, seed: 1 });
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(['crash', 'power']));
    expect(Math.max(...all.map(({ event }) => event))).toBe(7);
    const some = fc.sample(faults({ kinds: ['power'] }), { numRuns: 50, seed: 1 });
    expect(new Set(some.map((fault: Fault) => (fault.kind === 'power' ? fault.keep : -1)))).toEqual(
      new Set([0, 0.25, 0.5, 0.75, 1]),
    );
  });
});

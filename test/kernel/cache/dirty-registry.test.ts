// What is registered at the end of an operation, when a block cannot be looked up at once.
import { expect, it } from 'vitest';
import { type Ino, ModelError, type Pfn } from '../../../src/base/index.ts';
import { type MemoryManagement, PG } from '../../../src/kernel/index.ts';
import { KernelLog } from '../../../src/kernel/log.ts';
import { Writeback } from '../../../src/kernel/cache/fs-writeback.ts';
import { DirtyRegistry } from '../../../src/kernel/cache/dirty-registry.ts';
import { type Mapping, NEEDS_METADATA } from '../../../src/kernel/cache/mapping.ts';
import { COSTS } from '../../support/fake-machine.ts';
import { rig } from './page-io-rig.ts';

/** A registry with a page whose block is known once its metadata is loaded; what it told Xen. */
function unplaced(load: () => void): { registry: DirtyRegistry; told: number[][]; pfn: Pfn; mm: MemoryManagement } {
  const { mm, mapping } = rig();
  const pfn = mm.allocator.take();
  mm.cache.add(mapping.space, 0, pfn);
  mm.map.set(pfn, PG.dirty);
  const told: number[][] = [];
  const names = { dirty: (page: number, block: number) => void told.push([page, block]), flush: () => undefined };
  const registry = new DirtyRegistry(mm, names);
  let block: number = NEEDS_METADATA;
  const file: Mapping = {
    ...mapping,
    blockNow: () => block,
    loadMetadata: function* () {
      load();
      block = 77;
    },
  };
  registry.register(file, pfn);
  return { registry, told, pfn, mm };
}

it('a page whose block must be looked up is registered at the end of the operation', () => {
  const { registry, told, pfn } = unplaced(() => undefined);
  expect(told).toEqual([]);
  expect([...registry.publish()]).toEqual([]);
  expect(told).toEqual([[pfn, 77]]);
  expect([...registry.publish()]).toEqual([]);
  expect(told).toHaveLength(1);
});

it('a page whose block cannot be read is not registered, and a defect is not taken for that', () => {
  const { registry, told } = unplaced(() => {
    throw new ModelError('EIO', 'the block cannot be read');
  });
  expect([...registry.publish()]).toEqual([]);
  expect(told).toEqual([]);
  const broken = unplaced(() => {
    throw new RangeError('a defect');
  });
  expect(() => [...broken.registry.publish()]).toThrow('a defect');
});

it('a page that is clean when its block is known is not registered', () => {
  const { registry, told, pfn, mm } = unplaced(() => undefined);
  mm.map.clear(pfn, PG.dirty);
  expect([...registry.publish()]).toEqual([]);
  expect(told).toEqual([]);
});

it('a page is registered when it becomes dirty, and at a store while the registration may have ended', () => {
  const { machine, mm, io, queue, preserved, mapping } = rig();
  const { env } = machine;
  const told: number[] = [];
  const registry = new DirtyRegistry(mm, { dirty: (page) => void told.push(page), flush: () => undefined });
  const parts = { env, costs: COSTS, log: new KernelLog(env.cpu), mm, queue, locks: io.locks, preserved, registry };
  const writeback = new Writeback(parts);
  const file: Mapping = { ...mapping, space: mm.cache.open(6 as Ino, 0, true, writeback) };
  const pfn = mm.allocator.take();
  mm.cache.add(file.space, 0, pfn);
  mm.cache.setUptodate(pfn);
  const isTold = (): boolean => {
    told.length = 0;
    writeback.markPageDirty(file, pfn);
    return told.length > 0;
  };
  expect(isTold()).toBe(false);
  writeback.startRegistering();
  // It was dirty before.
  expect([isTold(), isTold()]).toEqual([true, false]);
  mm.cache.clearDirty(pfn);
  expect([isTold(), isTold()]).toEqual([true, false]);
  mm.cache.setWriteback(pfn);
  expect([isTold(), isTold()]).toEqual([true, true]);
  mm.cache.endWriteback(pfn);
  expect(isTold()).toBe(false);
});

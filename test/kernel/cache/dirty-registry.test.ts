// What is registered at the end of an operation, when a block cannot be looked up at once.
import { expect, it } from 'vitest';
import { ModelError } from '../../../src/base/index.ts';
import { PG } from '../../../src/kernel/index.ts';
import { DirtyRegistry } from '../../../src/kernel/cache/dirty-registry.ts';
import { type Mapping, NEEDS_METADATA } from '../../../src/kernel/cache/mapping.ts';
import { rig } from './page-io-rig.ts';

/** A registry with a page whose block is known once its metadata is loaded; what it told Xen. */
function unplaced(load: () => void): { registry: DirtyRegistry; told: number[][]; pfn: number } {
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
  return { registry, told, pfn };
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

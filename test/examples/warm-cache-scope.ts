// The small machine of lab/scope as the protocol examples/protocols/warm-cache.ts sees it. Each of
// its transitions is a step of the real frame table, cache map, rebuild or quick reload.
import { settle, type SIZE, type WarmCache } from '../../examples/protocols/warm-cache.ts';
import { Refinement } from '../../src/lab/protocol/refine.ts';
import type { Refined } from '../../src/lab/protocol/index.ts';
import { warmCache } from '../../examples/protocols/warm-cache.ts';
import { type Scope, scopeOptions } from '../../src/lab/scope/options.ts';
import { type Found, search } from '../../src/lab/scope/search.ts';
import * as state from '../../src/lab/scope/state.ts';
import type { Without } from '../../src/lab/scope/stored-world.ts';
import { describe } from '../../src/lab/scope/words.ts';
import type { World } from '../../src/lab/scope/world.ts';
import { S_PRESERVED, S_PROVENANCE } from '../../src/xen/frames/frame-record.ts';
import { Provenance } from '../../src/xen/frames/provenance.ts';

const { FRAME_BYTES, IO_BLOCK, IO_MOVED, IO_WRITE } = state;
const KNOWS = ['nothing', 'reading', 'clean', 'writing'] as const;
const PHASES = ['running', 'dead', 'judged', 'left'] as const;

/** How much the protocol has of what is in a scope. Each file of it has one page. */
export const sizeOf = ({ frames, files, pages, blocks, transfers }: Scope): typeof SIZE => {
  if (pages > 1 && files > 1) throw new Error('a page of the protocol has a generation of its own');
  return { frames, pages: files * pages, blocks, transfers };
};

/** A state of the small machine as one of the protocol. What the last step said is not in it. */
export function abstractionOf(bytes: Uint8Array, { layout, scope }: World): WarmCache {
  const transfers: WarmCache['transfers'] = [];
  const frames = Array.from({ length: layout.frames }, (_, n): WarmCache['frames'][number] => {
    const of = (field: number): number => bytes[n * FRAME_BYTES + field]!;
    for (const io of [of(state.T_IO), of(state.T_IO + 1)])
      if (io !== 0)
        transfers.push({
          ...{ frame: n, block: io & IO_BLOCK },
          ...{ isWrite: (io & IO_WRITE) !== 0, hasMoved: (io & IO_MOVED) !== 0 },
        });
    const provenance = of(state.T_FLAGS) & S_PROVENANCE;
    const name = of(state.T_NAME) - 1;
    return {
      bytes: of(state.T_CONTENT),
      knows: KNOWS[provenance]!,
      block: provenance === Provenance.none ? -1 : of(state.T_BLOCK),
      page: name < 0 ? -1 : name % layout.places,
      generation: name < 0 ? 0 : Math.floor(name / layout.places),
      isKept: (of(state.T_FLAGS) & S_PRESERVED) !== 0,
    };
  });
  const seen: WarmCache = {
    ...{ frames, transfers },
    disk: [...bytes.subarray(layout.disk, layout.disk + layout.blocks)],
    pages: Array.from({ length: layout.places }, (_, id) => ({
      block: bytes[layout.map + id]! - 1,
      generation: bytes[layout.generations + Math.floor(id / scope.pages)]!,
    })),
    phase: PHASES[bytes[layout.phase]!]!,
    isChanged: bytes[layout.changed] !== 0,
    ...{ taken: -1, refused: [] },
  };
  settle(seen);
  return seen;
}

/** What came of a comparison of all transitions. */
export interface Compared extends Refined {
  readonly found: Found;
  /** The first action that is no step of the protocol, in words. */
  readonly wrong: string | undefined;
}

/**
 * Compares every transition of the small machine with the protocol: each is to be one step.
 * @param states of the small machine, at most
 */
export function compareAll(scope: Scope, states: number, without: Without = {}): Compared {
  const refinement = new Refinement(warmCache(sizeOf(scope)));
  let wrong: string | undefined;
  let refused: Readonly<Record<string, number>> = {};
  let reused = 0;
  const onStep = (before: Uint8Array, action: number, after: Uint8Array, world: World): void => {
    const from = abstractionOf(before, world);
    const to = abstractionOf(after, world);
    const now = world.refused as Readonly<Record<string, number>>;
    for (const [reason, count] of Object.entries(now))
      for (let n = refused[reason] ?? 0; n < count; n++) to.refused.push(reason);
    refused = { ...now };
    to.refused.sort();
    if (world.reused > reused) to.taken = from.frames.findIndex(({ isKept }, n) => isKept && !to.frames[n]!.isKept);
    reused = world.reused;
    const isSo = refinement.begin(from as never) && refinement.next(to as never);
    if (isSo || wrong !== undefined) return;
    world.load(before);
    wrong = describe(world, action);
    world.load(after);
  };
  const options = scopeOptions({ ...scope, states });
  const found = search(options, without, { onStep, progress: () => wrong === undefined });
  return { ...refinement.result, found, wrong };
}

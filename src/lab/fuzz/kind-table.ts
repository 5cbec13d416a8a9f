/**
 * Tables of the door `stillwarm/table`, damaged between two callers. `recover` takes one, or
 * says why not. What it hands out is judged: once, under its name, and with the bytes of its block
 * unless a forged record vouches for others. Then the table is used like any other.
 */

import { PAGE_SIZE } from '../../base/units.ts';
import { getField } from '../../base/layout.ts';
import { CacheTable, type PageName, type Recovered, type RefusalReason } from '../../doors/table/index.ts';
import { TABLE_HEADER } from '../../doors/table/table-bytes.ts';
import type { Result } from '../../base/result.ts';
import { checkWord } from '../../xen/frames/frame-record.ts';
import { FRAME_RECORD } from '../../xen/records/layouts.ts';
import { drawBytes, editedBytes, putNumber, sealLastWord, type Specimen } from './bytes.ts';
import { type FuzzCase, type Kind, must, once, refusedFor, TAKEN, type Verdict } from './kind.ts';

const FRAMES = 24;
const BLOCKS = 40;
const DEVICES = 2;

/** What recovers a table. A test gives one with a mistake in it. */
export type Recover = (bytes: Uint8Array, options: Parameters<typeof CacheTable.recover>[1]) => Result<Recovered>;

/** What lies in the frames of a specimen, and where its pages are. */
interface World {
  readonly specimen: Specimen;
  /** The block that each frame holds; a block that is nowhere for others. */
  readonly frames: readonly number[];
  readonly names: readonly { readonly name: PageName; readonly block: number }[];
  readonly hasChecksums: boolean;
}

/** The bytes of a block: each differs from every other. */
function bytesOfBlock(block: number): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  putNumber(page, 0, 4, block + 1, false);
  return page;
}

/** Makes a table in the way a caller does: reads, stores, names, and transfers that do not end. */
function makeWorld(hasChecksums: boolean, isLeftTwice: boolean): World {
  const bytes = new Uint8Array(CacheTable.bytesFor(FRAMES));
  const frames = Array.from({ length: FRAMES }, (_, frame) => 1000 + frame);
  const options = { frames: FRAMES, ...(hasChecksums && { bytesOf: (frame: number) => bytesOfBlock(frames[frame]!) }) };
  let table = CacheTable.create(bytes, options);
  const names: { name: PageName; block: number }[] = [];
  for (let frame = 0; frame < FRAMES - 4; frame++) {
    const block = (frame * 7) % BLOCKS;
    const device = frame % DEVICES;
    const read = table.beginRead(frame, device, block);
    frames[frame] = 100 * device + block;
    read.end(true);
    const name = { device, inode: 11 + (frame % 3), generation: 1 + (frame % 2), index: frame };
    if (frame % 5 !== 4) table.name(frame, name);
    names.push({ name, block });
    if (frame % 6 === 5) {
      table.store(frame);
      frames[frame] = 2000 + frame;
    }
  }
  // Dies with transfers in flight.
  table.beginRead(FRAMES - 4, 0, 39);
  table.beginWrite(3, 1, 21);
  if (isLeftTwice) {
    const left = CacheTable.recover(bytes, options);
    if (left.ok) table = left.value.table;
    table.claim(names[0]!.name, names[0]!.block);
  }
  return { specimen: specimenOf(bytes), frames, names, hasChecksums };
}

function specimenOf(bytes: Uint8Array): Specimen {
  const layout = TABLE_HEADER;
  return {
    bytes,
    structures: [
      { layout, at: 0, seal: sealLastWord(layout) },
      { layout: FRAME_RECORD, at: layout.size, count: FRAMES, seal: sealFrameRecord },
    ],
    numbers: [FRAMES, BLOCKS, FRAMES - 1, bytes.length],
  };
}

/** Makes the check word of a frame record right. */
export function sealFrameRecord(bytes: Uint8Array, at: number): void {
  const words = new Uint32Array(8);
  for (let n = 0; n < 8; n++) words[n] = getField(FRAME_RECORD, bytes, at, FRAME_RECORD.fields[n]!.name);
  putNumber(bytes, at + FRAME_RECORD.offset.check, 4, checkWord(words, 0, words[0]!) >>> 0, false);
}

/** @param recover the door's by default */
export function tableKind(recover: Recover = (bytes, options) => CacheTable.recover(bytes, options)): Kind {
  const worldsOf = once(() => [
    makeWorld(false, false),
    makeWorld(true, false),
    makeWorld(false, true),
    makeWorld(true, true),
  ]);
  const specimensOf = once(() => worldsOf().map(({ specimen }) => specimen));
  return {
    name: 'table',
    cases: 10_000,
    reasons: [
      ...['none', 'bad magic', 'unknown version', 'bad size', 'bad checksum', 'consumed already'],
      ...['reserved bytes are not zero', 'another size of records', 'of N frames'],
    ],
    draw: (random) => drawBytes(random, specimensOf()),
    play: (fuzzCase) => {
      const worlds = worldsOf();
      const world = worlds[fuzzCase.specimen % worlds.length]!;
      return playTable(recover, world, fuzzCase, editedBytes(fuzzCase, specimensOf()));
    },
  };
}

function playTable(recover: Recover, world: World, { repair }: FuzzCase, bytes: Uint8Array): Verdict {
  const { frames, hasChecksums } = world;
  const options = { frames: FRAMES, ...(hasChecksums && { bytesOf: (frame: number) => bytesOfBlock(frames[frame]!) }) };
  // Records are aligned in the copy as they were in the original.
  const left = recover(bytes, options);
  if (!left.ok) {
    must(
      'a table is read once',
      !recover(bytes, options).ok,
      () => 'a table that was refused is taken the second time',
    );
    return refusedFor(left.reason);
  }
  const { table, preserved, refused } = left.value;
  table.checkInvariants();
  const waiting = new Set(
    Array.from({ length: FRAMES }, (_, frame) => frame).filter((frame) => table.isPreserved(frame)),
  );
  must('every page is counted', preserved === waiting.size, () => `${preserved} preserved, ${waiting.size} wait`);
  must(
    'every page is counted',
    preserved + sum(refused) <= FRAMES,
    () => `${preserved} preserved and ${sum(refused)} refused of ${FRAMES}`,
  );
  claimAll(world, table, waiting, repair);
  use(table);
  return TAKEN;
}

function claimAll({ names, frames }: World, table: CacheTable, waiting: Set<number>, isForged: boolean): void {
  for (const { name, block } of names) {
    const claim = table.claim(name, block);
    table.checkInvariants();
    if (!claim.ok) continue;
    const frame = claim.value;
    must('a page is handed out once', waiting.delete(frame), () => `frame ${frame} did not wait for a claim`);
    const facts = table.factsOf(frame);
    const holds = frames[frame] === 100 * name.device + block;
    // A forged record may vouch for what it does not hold.
    if (!isForged)
      must('a page equals its block', holds, () => `frame ${frame} is not block ${block} of device ${name.device}`);
    must(
      'a page has the name and the block of its claim',
      facts.block === block && JSON.stringify(facts.name) === JSON.stringify(name),
      () => `frame ${frame} is ${JSON.stringify(facts)}`,
    );
  }
}

/** A table that was recovered is one like any other. */
function use(table: CacheTable): void {
  for (const frame of [0, 3, FRAMES - 1]) {
    const read = table.beginRead(frame, 1, 5);
    read.end(true);
    table.name(frame, { device: 1, inode: 3, generation: 0, index: frame });
    table.checkInvariants();
  }
  table.blockWritten(1, 5);
  table.store(3);
  table.erase(FRAMES - 1);
  table.free(0);
  table.preserve();
  table.checkInvariants();
}

const sum = (counts: Readonly<Record<RefusalReason, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0);

// The block front-end and the queue above it, against a back-end that speaks the ring as bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestPanic, Ns, type Pfn } from '../../../src/base/index.ts';
import { MemoryImage } from '../../../src/disk/image/memory-image.ts';
import type { BlockFront, FrontRequest } from '../../../src/kernel/block/blkfront.ts';
import { type Bio, BlockQueue, PendingRequests } from '../../../src/kernel/block/block-queue.ts';
import { BlkifOp, BlkifStatus, RING_HEADER, RING_SLOTS, SEGMENTS_PER_REQUEST } from '../../../src/xen/public/index.ts';
import { property } from '../../support/property.ts';
import { FakeMachine, type RingRequest } from '../../support/fake-machine.ts';

const RING = 50 as Pfn;
const IMAGE = new MemoryImage(1 << 20);

function byHand(onRoom: () => void = () => undefined): { machine: FakeMachine; front: BlockFront } {
  const machine = new FakeMachine({ image: IMAGE, nrPages: 64, byHand: true });
  return { machine, front: machine.connectFront(RING, 100, onRoom) };
}

function reading(block: number, pages: number[], ended: (failed: boolean) => void = () => undefined): FrontRequest {
  return { op: BlkifOp.read, block, pages: pages as Pfn[], end: ended };
}

describe('the front-end', () => {
  it('the front-end learns the size of the device when it connects', () => {
    expect(byHand().front.sectorCount).toBe((1 << 20) / 512);
  });

  it('the front-end puts a request on the ring as bytes, and publishes it with push', () => {
    const { machine, front } = byHand();
    // A block beyond 2^29, so that the sector needs its upper word.
    expect(front.queue(reading(0x3000_0001, [9, 8, 7]))).toBe(true);
    expect([machine.backend!.take(), machine.events]).toEqual([[], 0]);
    front.push();
    expect(machine.events).toBe(1);
    const [request, ...rest] = machine.backend!.take();
    expect(request).toMatchObject({ operation: BlkifOp.read, sector: 0x3000_0001 * 8, pages: [9, 8, 7] });
    expect(rest).toEqual([]);
  });

  it('the front-end notifies when the back-end waits for it, and not otherwise', () => {
    const { machine, front } = byHand();
    front.push();
    expect(machine.events).toBe(0);
    front.queue(reading(1, [9]));
    front.push();
    // The back-end has not looked yet: it knows already.
    front.queue(reading(2, [9]));
    front.push();
    expect(machine.events).toBe(1);
    expect(machine.backend!.take()).toHaveLength(2);
    front.queue(reading(3, [9]));
    front.queue(reading(4, [9]));
    front.push();
    expect(machine.events).toBe(2);
  });

  it('the front-end holds 32 requests, and has room again when one is answered', () => {
    const rooms: number[] = [];
    const { machine, front } = byHand(() => rooms.push(front.inFlight));
    for (let i = 0; i < RING_SLOTS; i++) expect(front.queue(reading(i, [9]))).toBe(true);
    expect(front.queue(reading(99, [9]))).toBe(false);
    front.push();
    const requests = machine.backend!.take();
    expect(new Set(requests.map(({ id }) => id)).size).toBe(RING_SLOTS);
    machine.backend!.answer(requests[5]!.id, BlkifOp.read, BlkifStatus.ok);
    machine.backend!.notify();
    expect([rooms, front.inFlight]).toEqual([[RING_SLOTS - 1], RING_SLOTS - 1]);
    expect([front.queue(reading(99, [9])), front.queue(reading(100, [9]))]).toEqual([true, false]);
  });

  it('the front-end takes all responses at one interrupt, and asks for the next', () => {
    const ended: string[] = [];
    const { machine, front } = byHand();
    for (const block of [1, 2, 3]) front.queue(reading(block, [9], (failed) => ended.push(`${block} ${failed}`)));
    front.push();
    const [first, second, third] = machine.backend!.take().map(({ id }) => id);
    expect(machine.backend!.answer(second!, BlkifOp.read, BlkifStatus.error)).toBe(true);
    expect(machine.backend!.answer(first!, BlkifOp.read, BlkifStatus.ok)).toBe(false);
    machine.backend!.notify();
    expect(ended).toEqual(['2 true', '1 false']);
    expect(machine.memory.readU32(RING, RING_HEADER.offset.rspEvent)).toBe(3);
    expect(machine.backend!.answer(third!, BlkifOp.read, BlkifStatus.ok)).toBe(true);
  });

  it('a request with too many pages is a defect, a response to nothing the end of the guest', () => {
    const { machine, front } = byHand();
    const many = Array.from({ length: SEGMENTS_PER_REQUEST + 1 }, (_, i) => i);
    expect(() => front.queue(reading(0, many))).toThrow('blkfront 2');
    machine.backend!.answer(5, BlkifOp.read, BlkifStatus.ok);
    expect(() => machine.backend!.notify()).toThrow(
      new GuestPanic('a ring holds more responses than there were requests'),
    );
  });

  const op = fc.oneof(
    { weight: 3, arbitrary: fc.record({ queue: fc.integer({ min: 1, max: SEGMENTS_PER_REQUEST }) }) },
    { weight: 2, arbitrary: fc.constant('push' as const) },
    { weight: 2, arbitrary: fc.constant('take' as const) },
    { weight: 4, arbitrary: fc.record({ answer: fc.nat(40), ok: fc.boolean() }) },
  );

  property(
    'every request ends once, with its own status, in whatever order it is answered',
    fc.array(op, { maxLength: 300 }),
    (ops) => {
      const ended = new Map<number, boolean>();
      const expected = new Map<number, boolean>();
      const { machine, front } = byHand();
      const taken: RingRequest[] = [];
      let block = 0;
      const answer = (n: number, ok: boolean): void => {
        const [request] = taken.splice(n % taken.length, 1);
        expected.set(request!.sector / 8, !ok);
        const asked = machine.backend!.answer(request!.id, request!.operation, ok ? BlkifStatus.ok : BlkifStatus.error);
        if (asked) machine.backend!.notify();
      };
      for (const one of ops) {
        if (one === 'push') front.push();
        else if (one === 'take') taken.push(...machine.backend!.take());
        else if ('answer' in one) {
          if (taken.length > 0) answer(one.answer, one.ok);
        } else {
          const mine = block++;
          const pages = Array.from({ length: one.queue }, (_, i) => 10 + i);
          const queued = front.queue(
            reading(mine, pages, (failed) => {
              expect(ended.has(mine)).toBe(false);
              ended.set(mine, failed);
            }),
          );
          if (!queued) {
            expect(front.inFlight).toBe(RING_SLOTS);
            block--;
          }
        }
        expect(ended).toEqual(expected);
        expect(front.inFlight).toBe(block - ended.size);
      }
      front.push();
      taken.push(...machine.backend!.take());
      while (taken.length > 0) answer(0, true);
      expect([ended.size, front.inFlight]).toEqual([block, 0]);
    },
  );
});

/** A queue over the front-end; `submit` writes down every page that ends. */
function queueByHand(): {
  machine: FakeMachine;
  queue: BlockQueue;
  front: BlockFront;
  ended: string[];
  submit: (block: number, ...pages: number[]) => void;
  submitAs: (op: BlkifOp, block: number, ...pages: number[]) => void;
} {
  const machine = new FakeMachine({ image: IMAGE, nrPages: 64, byHand: true });
  const pending = new PendingRequests();
  const front = machine.connectFront(RING, 100, pending.dispatchTo);
  const queue = new BlockQueue(machine.env, pending, front, 0);
  const ended: string[] = [];
  const endPage = (pfn: Pfn, failed: boolean): void => void ended.push(`${pfn}${failed ? ' failed' : ''}`);
  const submitAs = (op: BlkifOp, block: number, ...pages: number[]): void => {
    const bio: Bio = { op, block, pages: pages as Pfn[], endPage };
    queue.submit(bio);
  };
  const submit = (block: number, ...pages: number[]): void => submitAs(BlkifOp.read, block, ...pages);
  return { machine, queue, front, ended, submit, submitAs };
}

function onTheRing({ machine }: { machine: FakeMachine }): [number, number[]][] {
  return machine.backend!.take().map(({ sector, pages }) => [sector / 8, [...pages]]);
}

const row = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('the queue', () => {
  it('the queue is plugged by its first request, and unplugged after one jiffy', () => {
    const it = queueByHand();
    it.submit(5, 9);
    it.machine.simulation.run(() => it.machine.simulation.now >= 9_999_999 || it.machine.events > 0);
    expect([onTheRing(it), it.machine.simulation.now]).toEqual([[[5, [9]]], Ns(10_000_000)]);
  });

  it('the queue is unplugged by whoever waits', () => {
    const it = queueByHand();
    it.submit(5, 9);
    expect(onTheRing(it)).toEqual([]);
    it.queue.unplug();
    expect(onTheRing(it)).toEqual([[5, [9]]]);
    // The timer of the plug that is gone does nothing to a later one.
    it.machine.simulation.after(Ns(5_000_000), () => it.submit(50, 9));
    it.machine.simulation.run(() => it.machine.simulation.now >= 10_000_000);
    expect(onTheRing(it)).toEqual([]);
    it.machine.simulation.run();
    expect([onTheRing(it), it.machine.simulation.now]).toEqual([[[50, [9]]], 15_000_000]);
  });

  it('the queue is unplugged at four requests', () => {
    const it = queueByHand();
    for (const block of [10, 20, 30]) it.submit(block, 9);
    expect(onTheRing(it)).toEqual([]);
    it.submit(40, 9);
    expect(onTheRing(it).map(([block]) => block)).toEqual([10, 20, 30, 40]);
  });

  it('the queue merges a bio that goes on where the last request ends, up to 11 pages', () => {
    const it = queueByHand();
    it.submit(10, ...row(20, 4));
    it.submit(14, ...row(24, 7));
    // Full: 11 pages. The next one starts a request; one further on does not join it.
    it.submit(21, 31);
    it.submit(30, 32);
    it.queue.unplug();
    expect(onTheRing(it)).toEqual([
      [10, row(20, 11)],
      [21, [31]],
      [30, [32]],
    ]);
  });

  it('the queue merges with the last request only', () => {
    const it = queueByHand();
    it.submit(10, 20);
    it.submit(50, 21);
    it.submit(11, 22);
    it.queue.unplug();
    expect(onTheRing(it).map(([block]) => block)).toEqual([10, 50, 11]);
  });

  it('the queue tells every page of every bio of a request how it ended', () => {
    const it = queueByHand();
    it.submit(10, 20, 21);
    it.submit(12, 22);
    it.submit(40, 23);
    it.queue.unplug();
    const [first, second] = it.machine.backend!.take();
    it.machine.backend!.answer(second!.id, BlkifOp.read, BlkifStatus.ok);
    it.machine.backend!.answer(first!.id, BlkifOp.read, BlkifStatus.error);
    it.machine.backend!.notify();
    expect(it.ended).toEqual(['23', '20 failed', '21 failed', '22 failed']);
  });

  it.each([
    ['reads', BlkifOp.read],
    ['writes', BlkifOp.write],
  ])(
    'the queue is congested from 113 %s on until there are fewer than 103, full at 128, and feeds the ring',
    (_, op) => {
      const it = queueByHand();
      const state = (of: BlkifOp) => [it.queue.isCongested(of), it.queue.isFull(of)];
      for (let i = 0; i < 128; i++) {
        it.submitAs(op, 2 * i, 9);
        expect(state(op)).toEqual([i + 1 >= 113, i + 1 >= 128]);
      }
      expect(it.front.inFlight).toBe(RING_SLOTS);
      // The other direction has its own.
      expect(state(op === BlkifOp.read ? BlkifOp.write : BlkifOp.read)).toEqual([false, false]);
      let waited = false;
      it.machine.simulation.spawn(
        'waits',
        (function* () {
          yield* it.queue.waitForRoom(op);
          waited = true;
        })(),
      );
      const pending: RingRequest[] = [];
      const order: number[] = [];
      for (let left = 128; left > 0; left--) {
        pending.push(...it.machine.backend!.take());
        const request = pending.shift()!;
        order.push(request.sector / 8);
        it.machine.backend!.answer(request.id, op, BlkifStatus.ok);
        it.machine.backend!.notify();
        it.machine.simulation.run();
        expect(waited).toBe(true);
        expect(state(op)).toEqual([left - 1 >= 103, false]);
        expect(it.front.inFlight).toBe(Math.min(left - 1, RING_SLOTS));
      }
      expect(order).toEqual(row(0, 128).map((i) => 2 * i));
      expect(it.ended).toHaveLength(128);
    },
  );

  it('the queue lets neither direction wait for the other, and counts a flush with the writes', () => {
    const it = queueByHand();
    const full = () => [BlkifOp.read, BlkifOp.write, BlkifOp.flush].map((op) => it.queue.isFull(op));
    for (let i = 0; i < 127; i++) it.submitAs(BlkifOp.write, 2 * i, 9);
    for (let i = 0; i < 127; i++) it.submitAs(BlkifOp.read, 2 * i, 9);
    expect(full()).toEqual([false, false, false]);
    it.queue.flush(() => undefined);
    expect(full()).toEqual([false, true, true]);
    const wakes: string[] = [];
    for (const [name, op] of [
      ['writer', BlkifOp.write],
      ['reader', BlkifOp.read],
    ] as const)
      it.machine.simulation.spawn(
        name,
        (function* () {
          yield* it.queue.waitForRoom(op);
          wakes.push(name);
        })(),
      );
    it.machine.simulation.run();
    expect(wakes).toEqual(['reader']);
    it.submitAs(BlkifOp.read, 1000, 9);
    expect(full()).toEqual([true, true, true]);
    const [request] = it.machine.backend!.take();
    it.machine.backend!.answer(request!.id, request!.operation, BlkifStatus.ok);
    it.machine.backend!.notify();
    it.machine.simulation.run();
    expect([request!.operation, wakes, full()]).toEqual([BlkifOp.write, ['reader', 'writer'], [true, false, false]]);
  });
});

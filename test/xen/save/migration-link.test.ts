// The connection of a migration: all that was sent, in its order, or a problem.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { err, ok, type Result } from '../../../src/base/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { MIGRATION_PACKET, MigrationLink } from '../../../src/xen/save/migration-link.ts';
import { property } from '../../support/property.ts';
import { room } from './migration-room.ts';

property(
  'the link gives what was put, also when a packet comes twice, and up to one that is lost or is overtaken',
  fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 }),
  fc.constantFrom('none', 'lost', 'twice', 'overtaken'),
  fc.nat(5),
  (lengths, fault, at) => {
    const { source, target, cable } = room();
    const [ours, theirs] = [
      new MigrationLink(source.hypervisor, cable[0], 'connects'),
      new MigrationLink(target.hypervisor, cable[1], 'waits'),
    ];
    const send = cable[0].send.bind(cable[0]);
    let count = 0;
    let held: Uint8Array | undefined;
    let isFaulty = false;
    cable[0].send = (packet) => {
      const isIt = count++ === at && fault !== 'none';
      isFaulty ||= isIt && fault !== 'twice';
      if (isIt && fault === 'overtaken') held = packet.slice();
      if (isIt && fault !== 'twice') return true;
      const isTaken = send(packet) && (!isIt || send(packet));
      if (held !== undefined) send(held);
      held = undefined;
      return isTaken;
    };
    const message = (i: number): Uint8Array => new Uint8Array(lengths[i]!).map((_, byte) => byte * 7 + i);
    const give = function* (): Process {
      for (const i of lengths.keys()) {
        yield* ours.put(message(i));
        yield* ours.flush();
      }
      yield* ours.say('go');
    };
    const takeAll = function* (): Process<Result<string>> {
      for (const i of lengths.keys()) {
        const bytes = yield* theirs.take(lengths[i]!);
        if (!bytes.ok) return bytes;
        expect(Buffer.compare(bytes.value, message(i))).toBe(0);
      }
      return yield* theirs.hear();
    };
    source.simulation.spawn('give', give());
    const word = source.simulation.runProcess('take', takeAll());
    source.simulation.run();
    if (!isFaulty) expect([word, theirs.problem]).toEqual([ok('go'), undefined]);
    // Only an end that waits for the last packet misses it.
    else expect(theirs.problem).toMatch(/^(a packet is missing|no answer)$/);
  },
  { numRuns: 16, lawRuns: 40 },
);

it('the link says what is missing when a packet of the middle is lost', () => {
  const { source, target, cable } = room();
  const ours = new MigrationLink(source.hypervisor, cable[0], 'connects');
  const theirs = new MigrationLink(target.hypervisor, cable[1], 'waits');
  const send = cable[0].send.bind(cable[0]);
  let count = 0;
  cable[0].send = (packet) => count++ === 1 || send(packet);
  source.simulation.spawn('give', ours.put(new Uint8Array(4 * 65_536)));
  expect(source.simulation.runProcess('take', theirs.take(4 * 65_536))).toEqual(err('a packet is missing'));
});

it('the drawing in migration-link.ts has the fields of a packet in the order in which they lie, and the payload behind', () => {
  const source = readFileSync(new URL('../../../src/xen/save/migration-link.ts', import.meta.url), 'utf8');
  const drawn = /^ \* \| (magic .*) \|$/m.exec(source)![1]!.split(' | ');
  const places = Object.entries(MIGRATION_PACKET.offset).sort(([, a], [, b]) => a - b);
  expect(drawn).toEqual([...places.map(([name]) => name), 'payload']);
});

// Commands over a guest: the model says what must be there after any reboot and any fault.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { files, type Machine, type MachineOptions, O } from '../../../src/doors/machine/index.ts';
import {
  checkProperty,
  type GuestModel,
  guestCommands,
  reboots,
  startGuest,
} from '../../../src/doors/testing/index.ts';
import { property, replayOfCommands } from '../../support/property.ts';

const EXT2: MachineOptions = { disk: files({}, { size: 4 << 20 }), memory: 16 << 20, drive: 'disk' };
const EXT3: MachineOptions = { ...EXT2, disk: files({}, { size: 8 << 20, journalBlocks: 1024 }) };

const run = (machine: MachineOptions, commands: Iterable<fc.Command<GuestModel, Machine>>): void => {
  fc.modelRun(() => startGuest(machine), commands);
};

describe('commands over a guest', () => {
  const { replayPath } = replayOfCommands();
  const replay = replayPath === undefined ? undefined : `0 0 ${replayPath}`;

  for (const [name, machine] of Object.entries({ ext2: EXT2, ext3: EXT3 }))
    property(
      `a guest on ${name} has what its model says, whatever it is asked, however it is rebooted and whatever befalls it`,
      guestCommands({ replay }),
      (commands) => run(machine, commands),
      { numRuns: 6, lawRuns: 400 },
    );

  it('a model knows whether the disk has a journal, and is over after a crash without one', () => {
    for (const [machine, hasJournal] of [
      [EXT2, false],
      [EXT3, true],
    ] as const) {
      const { model, real } = startGuest(machine);
      expect(model.hasJournal).toBe(hasJournal);
      real.reboot({ crash: true });
      model.crashed(real);
      expect(model.isOver).toBe(!hasJournal);
    }
  });

  it('a model that promises on ext2 what only ext3 keeps is found out, with a line that replays it', () => {
    const wrong = (replayText?: string): string => {
      const commands = guestCommands({ reboots: reboots({ hypervisors: [] }), replay: replayText });
      const promising = fc.property(commands, (all) => {
        fc.modelRun(() => {
          const { model, real } = startGuest(EXT2);
          return { model: Object.defineProperty(model, 'hasJournal', { value: true }), real };
        }, all);
      });
      try {
        checkProperty('ext2 is ext3', promising, { numRuns: 200, replay: replayText });
      } catch (error) {
        return (error as Error).message;
      }
      return 'not found';
    };
    const message = wrong();
    expect(message).toMatch(/because: after a crash \/model/);
    const text = /replay: REPLAY="(.*)"$/.exec(message)![1]!;
    expect(text.split(' ')).toHaveLength(3);
    expect(wrong(text)).toMatch(/because: after a crash \/model/);
  });

  it('a guest that loses what was synced is found out', () => {
    const { model, real } = startGuest(EXT3);
    model.fs.create('/a', true);
    real.sys.close(real.sys.open('/model/a', O.wronly | O.creat));
    real.sys.sync();
    model.fs.sync();
    real.sys.unlink('/model/a');
    real.sys.sync();
    expect(() => model.crashed(real)).toThrow(/^after a crash \/model\/a is not there: ENOENT/);
    model.fs.unlink('/a');
    model.fs.sync();
    real.sys.mkdir('/model/b');
    expect(() => model.crashed(real)).toThrow('after a crash /model holds b, which was removed before');
  });
});

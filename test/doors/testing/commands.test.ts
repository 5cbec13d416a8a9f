// Commands over a guest: the model says what must be there after any reboot and any fault.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { files, type Machine, type MachineOptions, O } from '../../../src/doors/machine/index.ts';
import {
  checkProperty,
  type Fault,
  type FileCall,
  type GuestCommand,
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
      { numRuns: 4, lawRuns: 400 },
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

  /** The command in which a fault meets this call. */
  function faultIn(call: FileCall, fault: Fault): GuestCommand {
    const options = { calls: fc.constant(call), faults: fc.constant(fault), reboots: fc.constant({}), maxCommands: 50 };
    const all = fc.sample(guestCommands(options), { numRuns: 20, seed: 1 }).flatMap((commands) => [...commands]);
    // As fast-check wraps it: what has not run yet has no text of its own.
    const commands = all.map((wrapped) => (wrapped as unknown as { readonly cmd: GuestCommand }).cmd);
    return commands.find((command) => String(command).includes(' with '))!;
  }

  it('a sync that the guest did not live to see the end of promises nothing', () => {
    const { model, real } = startGuest(EXT3);
    for (const fault of [
      { kind: 'crash', event: 0 },
      { kind: 'power', event: 0, keep: 0 },
    ] as const) {
      model.fs.create('/a', true);
      real.sys.close(real.sys.open('/model/a', O.wronly | O.creat));
      faultIn({ do: 'sync' }, fault).run(model, real);
      expect([model.fs.list('/'), real.sys.readdir('/model').length]).toEqual([[], 2]);
    }
  });

  it('a guest crashes also behind the end of the call that its crash was meant for', () => {
    const { model, real } = startGuest(EXT3);
    faultIn({ do: 'create', path: '/a', exclusive: true }, { kind: 'crash', event: 1e6 }).run(model, real);
    expect([real.state, model.fs.list('/'), real.sys.readdir('/model').length]).toEqual(['running', [], 2]);
  });

  it.each(['warm-vm', 'save-restore', 'live-migration'] as const)(
    'a guest that was to go on over %s and was booted anew has what was sure, and the model knows no more',
    (hypervisor) => {
      const { model, real } = startGuest(EXT3);
      model.fs.create('/a', true);
      const report = real.reboot({ crash: true });
      model.rebooted(real, { hypervisor }, report);
      expect(model.fs.list('/')).toEqual([]);
    },
  );

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

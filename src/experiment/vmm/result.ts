/**
 * What a reboot of the hypervisor took, with any strategy, and what `stillwarm vmm-reboot` answers.
 * The definition of the object that `--json` prints.
 */

import { Type } from 'typebox';
import { BACKENDS } from '../host/backend.ts';
import { Boot, COMMON, DOMAIN0, Domain0Result, FITTED, Setting } from '../guest/result.ts';
import {
  boolean,
  count,
  integer,
  kind,
  many,
  object,
  orNull,
  one,
  oneOf,
  oneOrNull,
  result,
  text,
  type Described,
} from '../guest/schema.ts';
import { VMM_PHASES, VMM_STRATEGIES } from '../host/strategies.ts';

export const VmmPhase = kind('phase', 'A piece of the reboot.', {
  name: oneOf('What was done.', VMM_PHASES),
  startNs: count('When it began.'),
  endNs: count('When it was done.'),
});
export type VmmPhase = Described<typeof VmmPhase>;

export const VmmGuestResult = kind('guest', 'What became of a guest.', {
  name: text('The guest.'),
  outcome: oneOf('continued: the same guest continues; booted: a new guest was booted; lost: there is no guest.', [
    'continued',
    'booted',
    'lost',
  ]),
  reason: Type.Optional(text('Why it did not continue although it should have; absent when it continued.')),
  downtimeNs: count(
    "Longest time in which the guest's web server answered none of its clients, virtual ns. A new client arrives every 10 ms.",
  ),
  downFromNs: integer('When that begins.'),
  requests: object('Requests of clients.', {
    answered: count(
      'Requests of these clients that were answered, from the start of the reboot until every guest served again.',
    ),
    failed: count('Requests that were not answered within a second.'),
  }),
  keptConnection: boolean('Whether a client from before the reboot continued on its connection after it.'),
  keptSession: boolean('Whether the server still knew the session of that client.'),
  pagesRead: count('Data and metadata pages read from the disk by the guest during the reboot and its boot.'),
  pagesReused: count('Pages taken over from the guest before it, in that time.'),
  boots: object('Its boots.', {
    before: one('The first one, which finds an empty cache.', Boot),
    after: oneOrNull('The one in the reboot; null when it continued or was lost.', Boot),
  }),
});
export type VmmGuestResult = Described<typeof VmmGuestResult>;

const REBOOT = {
  strategy: oneOf('The strategy.', VMM_STRATEGIES),
  stopNs: count('Time in which guests were suspended, saved or shut down, and handed over.'),
  startNs: count('Time in which guests were resumed, restored or booted.'),
  totalNs: count('From the first step until the last guest runs.'),
  guests: many('Each guest.', VmmGuestResult),
  diskBytes: object(
    'Memory of guests that went to the disk or came from it; what guests read and write is not in it.',
    {
      written: count('Bytes of it that domain 0 wrote to the disk.'),
      read: count('Bytes of it that domain 0 read from the disk.'),
    },
  ),
  networkBytes: count('Bytes sent to another machine.'),
  timeline: many('Phases in the order in which they began.', VmmPhase),
};
/** What the reboot itself took. */
export const VmmRebootResult = object('The reboot.', REBOOT);
export type VmmRebootResult = Described<typeof VmmRebootResult>;

export const VmmReading = kind('reading', 'All guests read at the same time.', {
  bytes: count('Bytes read by all guests together.'),
  ns: count('Until the last guest had read its files, virtual ns.'),
});
export type VmmReading = Described<typeof VmmReading>;

export const VmmStrategyResult = kind('strategy', 'What one strategy gave.', {
  ...REBOOT,
  reads: object('The guests read their files: for the first time, again, and after the reboot.', {
    first: one('Nothing is cached.', VmmReading),
    cached: one('Everything that fits is cached.', VmmReading),
    after: one('After the reboot.', VmmReading),
  }),
  domain0: DOMAIN0,
  verified: object('What was compared with the disk.', {
    pages: count('Pages taken over that were compared with the disk.'),
    bytes: count('Bytes read that were compared with the disk.'),
    mismatches: count('Pages and reads that differed.'),
  }),
});
export type VmmStrategyResult = Described<typeof VmmStrategyResult>;

export const VmmMeasurement = kind('machine', 'One machine under each strategy.', {
  vms: count('Guests.', 1),
  memory: count('Memory of each guest, bytes.', 1),
  domain0Cache: orNull(
    "Bytes that domain 0's page cache holds at most; null where disks are partitions.",
    Type.Integer({ minimum: 0 }),
  ),
  strategies: many('One result a strategy, in the order asked for.', VmmStrategyResult, { minItems: 1 }),
});
export type VmmMeasurement = Described<typeof VmmMeasurement>;

export const VmmExperimentResult = result(
  'stillwarm/vmm-reboot@1',
  'Result of stillwarm vmm-reboot --json',
  `Times are virtual: integer nanoseconds of the model, never of the host. Instants of a strategy count from the start of its
reboot. The same input, options and seed give the same object, byte for byte. The slides' figures are not in it: they are in
\`src/slides/figures.ts\`, and printed beside ours.`,
  {
    ...COMMON,
    files: count('Regular files on the disk of each guest, without those that a boot reads.'),
    bytes: count('Bytes of these files.'),
    limit: count('Bytes that a guest reads in one run, at most.', 1),
    backend: oneOf("Whether guests' disks are partitions of the drive, or files in domain 0.", BACKENDS),
    machines: many('The requested machine; then, without --single, the other machines of the series.', VmmMeasurement, {
      minItems: 1,
    }),
    fitted: FITTED,
  },
  [VmmMeasurement, VmmStrategyResult, VmmGuestResult, Boot, VmmPhase, VmmReading, Domain0Result, Setting],
);
export type VmmExperimentResult = Described<typeof VmmExperimentResult>;

/** What `stillwarm inspect` finds: the definition of the object that `--json` prints. */

import { Type } from 'typebox';
import { ARCHS } from '../base/arch.ts';
import {
  boolean,
  count,
  kind,
  list,
  many,
  object,
  oneOf,
  oneOrNull,
  orNull,
  result,
  text,
  type Described,
} from '../experiment/guest/schema.ts';
import type { ProvenanceName } from '../xen/frames/provenance.ts';

const FRAME = '(machine frame number)';

const MapFound = kind('map', 'Numbers of machine frames: times 4096 for the place in the dump.', {
  arch: oneOf('Architecture of the machine: how wide numbers of frames are.', ARCHS),
  frameCount: count('Frames of the dump.', 1),
  plannedFrames: count(
    'Frames that the tables are laid out for: those of the machine, unless it has lost memory since.',
    1,
  ),
  tableMfn: count(`First frame of the frame table ${FRAME}.`),
  tableFrames: count('Frames of the frame table.', 1),
  domainTableMfn: count(`First frame of the domain records ${FRAME}.`),
  p2mMfn: count(`First frame of the P2M lists ${FRAME}.`),
  p2mFrames: count('Frames of the P2M lists.', 1),
  recencyMfn: count(`First frame of the recency table ${FRAME}.`),
  recencyFrames: count('Frames of the recency table.', 1),
  stateMfn: count(`First frame of the states of domains ${FRAME}.`),
  handoverMfn: count(`Frame of the handover record ${FRAME}.`),
  boxMfn: count(`First frame of the recovery boxes ${FRAME}.`),
  firstDomainMfn: count(`First frame that a domain may own ${FRAME}.`),
});

const DomainFound = kind('domain', 'Contents of its record, and of the frame records of its pages.', {
  domid: count('Number of the domain.', 1),
  name: text('Its name.'),
  device: count('Number of its block device.'),
  store: object('Its disk.', {
    identity: text('Name of its disk in the tool stack.'),
    firstBlock: count('First block of its partition.'),
    sectorCount: count('Sectors of its partition.'),
    generation: count('Last recorded write generation of the disk.'),
  }),
  nrPages: count('Pages of the domain.'),
  bootPages: count('Pages of its boot region.'),
  p2mMfn: count(`First frame of its P2M list ${FRAME}.`),
  p2mCrc: count('CRC-32C of the P2M list, as recorded.'),
  p2mIsIntact: boolean('Whether the list has that checksum.'),
  consumed: boolean('Whether a rebuild has begun to read the record.'),
  recencyCrc: orNull('CRC-32C of its recency data; null: it has none.', Type.Integer({ minimum: 0 })),
  boots: count('Number of guests booted in it so far.'),
  pages: count('Pages whose frame record is intact and says this domain and this page.'),
  named: count('Of these, pages that have a name.'),
  preserved: count('Of these, pages kept over the restart and not claimed yet.'),
  reusable: count('Pages named and clean: what a restart would keep.'),
});

const PROVENANCE = {
  none: count('Nothing is known.'),
  reading: count('A read from the disk is under way.'),
  clean: count("The bytes are the disk's."),
  writing: count('A write to the disk is under way.'),
} satisfies Record<ProvenanceName, unknown>;

export const InspectResult = result(
  'stillwarm/inspect@1',
  'Findings of stillwarm inspect --json',
  `Everything is read from the bytes of the dump alone: [structures in memory](table-layout.md) says where they lie.`,
  {
    problemCount: count('Things that do not parse; the exit status is 1 when there are any.'),
    problems: list('One line each, the first hundred.', Type.String(), { maxItems: 100 }),
    map: oneOrNull("Where the hypervisor's tables lie, by the root record; null: it does not parse.", MapFound),
    domains: many('Domains whose record parses, by number.', DomainFound),
    frames: object('Frames, by the state in their records. Without a root record, all but `total` are 0.', {
      total: count('Frames of the dump.', 1),
      free: count('Frames without an owner.'),
      hypervisor: count('Frames of the hypervisor.'),
      owned: count('Frames of domains.'),
      damaged: count('Frames whose record does not match its checksum. They are counted nowhere else.'),
      named: count('Frames that have a name.'),
      preserved: count('Frames kept over a restart and not claimed yet.'),
      provenance: object('Frames by their provenance.', PROVENANCE),
    }),
  },
  [MapFound, DomainFound],
);
export type InspectResult = Described<typeof InspectResult>;

/**
 * Save files, damaged on the disk. A guest is saved, and restored from what is left of its file, or
 * not, with a reason. When it goes on it reads everything, dies, and the next guest takes over what
 * was vouched for.
 */

import { defineLayout, PAGE_SIZE } from '../../base/index.ts';
import { crc32c } from '../../base/crc32c.ts';
import { Drive } from '../../disk/drive/drive.ts';
import { driveOptions } from '../../disk/drive/make-service-time.ts';
import { MemoryImage } from '../../disk/image/memory-image.ts';
import { OverlayImage } from '../../disk/image/overlay-image.ts';
import { SERVER_2026 } from '../../machine/profiles/server-2026.ts';
import { restoreDomain, saveDomain, saveFileBytes } from '../../xen/index.ts';
import { BOX_HEADER, DOMAIN_STATE, STATE_FRAMES_EACH } from '../../xen/records/layouts.ts';
import { BATCH_PAGES, FRAME_FACT, SAVE_HEADER } from '../../xen/save/format.ts';
import { drawBytes, editInPlace, putNumber, sealLastWord, type Specimen, type Structure } from './bytes.ts';
import { type Kind, once, refusedFor, TAKEN, type Verdict } from './kind.ts';
import { fuzzMemory, FuzzMachine } from './machine.ts';
import { readEverything } from './programs.ts';
import { smallImage } from './specimens.ts';

const MOST_EVENTS = 200_000;
const ARCH = 'x86_64';
const COUNT = defineLayout('batch', 4, [{ name: 'count', width: 4, meaning: 'pages that follow' }]);
const NUMBER = defineLayout('page number', 8, [{ name: 'pfn', width: 8, meaning: 'page, and its type' }]);
/** Facts and numbers of which fields are changed. */
const SOME = 200;

/** Where the parts of a file are, for a guest that has given nothing back. */
function specimenOf(bytes: Uint8Array, nrPages: number): Specimen {
  const layout = SAVE_HEADER[ARCH];
  const structures: Structure[] = [{ layout, at: 0, seal: sealLastWord(layout) }];
  let at = PAGE_SIZE;
  for (let rest = nrPages; rest > 0; rest -= BATCH_PAGES) {
    const count = Math.min(rest, BATCH_PAGES);
    structures.push({ layout: COUNT, at }, { layout: NUMBER, at: at + COUNT.size, count: Math.min(SOME, count) });
    at += COUNT.size + count * (NUMBER.size + PAGE_SIZE);
  }
  structures.push({ layout: COUNT, at });
  at += COUNT.size;
  structures.push({ layout: DOMAIN_STATE[ARCH], at, seal: sealLastWord(DOMAIN_STATE[ARCH]) });
  at += STATE_FRAMES_EACH * PAGE_SIZE;
  structures.push({ layout: FRAME_FACT[ARCH], at, count: SOME }, { layout: FRAME_FACT[ARCH], at, count: 8 });
  const end = bytes.length - PAGE_SIZE;
  structures.push({ layout: BOX_HEADER, at: end });
  const sealWhole = (changed: Uint8Array): void => {
    putNumber(changed, layout.offset.bodyCrc, 4, crc32c(changed, PAGE_SIZE), false);
    sealLastWord(layout)(changed, 0);
  };
  return { bytes, structures, numbers: [nrPages, BATCH_PAGES, bytes.length / PAGE_SIZE], sealWhole };
}

/** Saves a guest to a file, changes the file, and restores the guest. */
function saveAndRestore(machine: FuzzMachine, change: (bytes: Uint8Array, nrPages: number) => void): Verdict {
  const guest = machine.start();
  machine.run(readEverything(guest.kernel.syscalls));
  const { simulation, memory, drive: device } = machine;
  const nrPages = guest.domain.nrPages;
  const image = new MemoryImage(saveFileBytes(nrPages * PAGE_SIZE, ARCH));
  const file = new Drive(simulation, memory, image, { ...driveOptions(SERVER_2026.disk, 'instant'), identity: 'file' });
  const saved = machine.run(saveDomain(machine, guest.domain, machine.config, file));
  if (!saved.ok) return refusedFor(`not saved: ${saved.reason.why}`);
  const bytes = new Uint8Array(saved.value.bytes);
  image.read(0, bytes, 0, bytes.length);
  change(bytes, nrPages);
  image.write(0, bytes, 0, bytes.length);
  const restored = machine.run(restoreDomain(machine, file, { device, vouch: true }));
  const events = simulation.eventCount;
  if (!restored.ok) {
    machine.toolstack.list.checkInvariants();
    return refusedFor(restored.reason.why, events);
  }
  machine.toolstack.list.checkInvariants();
  const { domain } = restored.value;
  if (!domain.isRunning) return refusedFor('the guest stops', events);
  guest.kernel.crash();
  const next = machine.boot(machine.restart({ domain, kernel: guest.kernel }, () => undefined));
  machine.run(readEverything(next.kernel.syscalls));
  return { ...TAKEN, events: simulation.eventCount };
}

/** What a case is played on. */
class Saving {
  readonly specimens: readonly Specimen[];
  readonly #memory = fuzzMemory();
  readonly #image = smallImage();

  constructor() {
    let specimen: Specimen | undefined;
    this.play((bytes, nrPages) => {
      specimen = specimenOf(bytes.slice(), nrPages);
    });
    this.specimens = [specimen!];
  }

  play(change: (bytes: Uint8Array, nrPages: number) => void): Verdict {
    return saveAndRestore(new FuzzMachine(new OverlayImage(this.#image), this.#memory, MOST_EVENTS), change);
  }
}

export function saveKind(): Kind {
  const saving = once(() => new Saving());
  return {
    name: 'save',
    cases: 120,
    reasons: ['bad checksum', 'save header: bad checksum', 'its pages are not those of a domain'],
    draw: (random) => drawBytes(random, saving().specimens),
    play: (fuzzCase) =>
      saving().play((bytes) => {
        editInPlace(bytes, fuzzCase, saving().specimens);
      }),
  };
}

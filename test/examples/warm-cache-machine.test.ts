// A whole machine as the protocol of the warm cache sees it (examples/protocols/warm-cache.ts). Of
// its frames those are observed that are one page of one file, or are known to equal its block.
import { describe, expect, it } from 'vitest';
import { warmCache, type WarmCache } from '../../examples/protocols/warm-cache.ts';
import { Mfn } from '../../src/base/units.ts';
import { files, Machine, O, type Process, type Protections, type Syscalls } from '../../src/doors/machine/index.ts';
import { type Plain, type Refined, refines } from '../../src/lab/protocol/index.ts';
import { Provenance, PROVENANCE_NAMES } from '../../src/xen/frames/provenance.ts';

const PAGE = 4096;
const pageOf = (byte: number): Uint8Array => new Uint8Array(PAGE).fill(byte);
const SIZE = { frames: 2, pages: 1, blocks: 1, transfers: 1 };
/** Steps of the protocol from one change of what is seen to the next: a restart is four. */
const WITHIN = 4;

/** What is seen of one frame. */
interface Seen {
  readonly knows: string;
  readonly isNamed: boolean;
  readonly isKept: boolean;
  readonly equalsBlock: boolean;
}

const viewOf = (frames: readonly Seen[], phase: string): Plain => ({
  phase,
  isChanged: false,
  frames: frames.map((frame) => JSON.stringify(frame)).sort(),
});

/** The same of a state of the protocol. Transfers, and bytes of no block, are hidden. */
const sees = ({ frames, disk, phase, isChanged }: WarmCache): Plain => {
  const seen = frames.filter(({ page, knows }) => page >= 0 || knows !== 'nothing');
  const shown = seen.map(({ knows, page, isKept, bytes }): Seen => {
    return { knows, isNamed: page >= 0, isKept, equalsBlock: bytes === disk[0] };
  });
  return { ...(viewOf(shown, phase) as Record<string, Plain>), isChanged };
};

class Watched {
  readonly machine: Machine;
  readonly #ino: number;
  readonly #block: number;
  /** What was seen, each time that it was something else. */
  readonly views: Plain[] = [];
  /** How often it was looked at. */
  looks = 0;

  constructor(protections?: Partial<Protections>) {
    const disk = files({ watched: pageOf(65), large: new Uint8Array(1 << 20).fill(1) });
    this.machine = Machine.boot({ disk, memory: 9 << 20, drive: 'disk', ...(protections && { protections }) });
    const bytes = this.machine.disk.read();
    this.#block = Array.from({ length: bytes.length / PAGE }, (_, n) => n).find((n) => bytes[n * PAGE] === 65)!;
    this.#ino = this.machine.sys.stat('/watched').ino;
    this.#look();
  }

  /** Plays a program, and looks before each event and at the end. */
  play(program: (sys: Syscalls, watched: number) => Process): void {
    const whole = function* (sys: Syscalls): Process {
      const fd = yield* sys.open('/watched', O.rdwr);
      yield* program(sys, fd);
      yield* sys.close(fd);
    };
    for (const _ of this.machine.eventsOf(whole)) this.#look();
    this.#look();
  }

  crash(): void {
    this.machine.crash();
    this.#look();
    this.reboot();
  }

  reboot(): void {
    this.machine.reboot();
    this.#look();
  }

  #look(): void {
    this.looks++;
    const { frames, map, memory } = this.machine.room.hypervisor;
    const block = Buffer.from(this.machine.disk.read(this.#block * PAGE, PAGE));
    const seen: Seen[] = [];
    for (let n = map.firstDomainMfn as number; n < map.frameCount; n++) {
      const mfn = Mfn(n);
      const name = frames.nameOf(mfn);
      const isNamed = name?.ino === this.#ino && name.index === 0;
      const provenance = frames.provenanceOf(mfn);
      if (!isNamed && (provenance === Provenance.none || frames.blockOf(mfn) !== this.#block)) continue;
      const [isKept, equalsBlock] = [frames.isPreserved(mfn), block.equals(memory.frame(mfn))];
      const knows = provenance === Provenance.none ? 'nothing' : PROVENANCE_NAMES[provenance]!;
      seen.push({ knows, isNamed, isKept, equalsBlock });
    }
    const view = viewOf(seen, this.machine.state === 'running' ? 'running' : 'dead');
    if (JSON.stringify(view) !== JSON.stringify(this.views.at(-1))) this.views.push(view);
  }
}

function* read(sys: Syscalls, watched: number): Process {
  yield* sys.pread(watched, new Uint8Array(PAGE), 0, PAGE, 0);
  // The guest tells names by the batch.
  const large = yield* sys.open('/large');
  yield* sys.read(large, new Uint8Array(1 << 20), 0, 1 << 20);
  yield* sys.close(large);
}

const write = (byte: number, isSynced: boolean) =>
  function* (sys: Syscalls, watched: number): Process {
    yield* sys.pwrite(watched, pageOf(byte), 0, PAGE, 0);
    if (isSynced) yield* sys.fsync(watched);
  };

/** A page is read, written, written back, kept over restarts, lost where dirty, and cut off. */
function run(protections?: Partial<Protections>): Watched {
  const watched = new Watched(protections);
  watched.play(read);
  watched.crash();
  watched.play(read);
  watched.play(write(66, true));
  watched.crash();
  watched.play(read);
  watched.reboot();
  watched.play(read);
  watched.play(write(67, false));
  watched.crash();
  watched.play(read);
  watched.play(function* (sys, fd) {
    yield* sys.ftruncate(fd, 0);
    yield* sys.fsync(fd);
  });
  return watched;
}

const compared = ({ views }: Watched): Refined => refines(warmCache(SIZE), [views], { within: WITHIN, sees });

describe('a page of a whole machine', () => {
  it('what is seen of it changes by steps of the protocol', () => {
    const watched = run();
    const { broken, changes, covered } = compared(watched);
    expect(broken).toBeUndefined();
    expect({ looks: watched.looks, changes }).toEqual({ looks: 254, changes: 20 });
    const met = Object.keys(covered).filter((step) => covered[step]! > 0);
    // A restart in order is explained by a crash, and by frames that are left, alike.
    expect(met).toEqual([
      ...['guest.read', 'guest.write', 'guest.store', 'guest.name', 'guest.claim', 'drive.move', 'drive.end'],
      ...['hypervisor.judge', 'hypervisor.leave', 'hypervisor.rebuild', 'crash', 'reset'],
    ]);
    expect(watched.machine.verify().mismatches).toBe(0);
  });

  it('with stores that are not seen it takes a step that the protocol has not', () => {
    const { broken } = compared(run({ writeProtection: false }));
    expect(broken?.to).toMatchObject({ frames: [expect.stringContaining('"knows":"clean"')] });
    expect(broken?.to).toMatchObject({ frames: [expect.stringContaining('"equalsBlock":false')] });
  });
});

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mfn } from '../../src/base/index.ts';
import { inspect } from '../../src/cli/inspect.ts';
import { saveMemory } from '../../src/experiment/guest/memory-dump.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { values } from '../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../src/machine/profiles/pentium4-2006.ts';
import { Simulation } from '../../src/sim/index.ts';
import { Hypervisor } from '../../src/xen/core/hypervisor.ts';
import { captureIo } from './capture.ts';

const FRAMES = 4096;
let dir = '';

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-inspect-'));
  const memory = new MachineMemory(FRAMES * 4096);
  Hypervisor.boot(new Simulation(1), memory, values(PENTIUM4_2006.hypervisor));
  saveMemory(memory, join(dir, 'booted.img'));
  // A record in the middle of the frame table.
  memory.writeU32(Mfn(3), 64, 0x1234_5678);
  saveMemory(memory, join(dir, 'damaged.img'));
  writeFileSync(join(dir, 'blank.img'), '');
  truncateSync(join(dir, 'blank.img'), 64 * 4096);
  writeFileSync(join(dir, 'torn.img'), 'not whole frames');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('inspect', () => {
  it('inspect prints whose the frames are, exit status 0', () => {
    const io = captureIo(dir);
    expect(inspect(['booted.img'], io)).toBe(0);
    expect(io.stdout.text).toMatch(/booted\.img: 4,096 frames, 16 MiB, x86_64\n/);
    expect(io.stdout.text).toMatch(/\nno problems\n$/);
    expect(
      Math.max(
        ...io.stdout.text
          .split('\n')
          .slice(1)
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
  });

  it('inspect prints one JSON object', () => {
    const io = captureIo(dir);
    expect(inspect(['booted.img', '--json'], io)).toBe(0);
    expect(JSON.parse(io.stdout.text)).toMatchObject({
      problemCount: 0,
      domains: [],
      frames: { total: FRAMES, damaged: 0 },
    });
  });

  it('inspect lists what does not parse, exit status 1', () => {
    const damaged = captureIo(dir);
    expect(inspect(['damaged.img'], damaged)).toBe(1);
    expect(damaged.stdout.text).toMatch(/\n1 problem:\n {4}frame \d+: .*\n$/);
    const blank = captureIo(dir);
    expect(inspect(['blank.img', '--json'], blank)).toBe(1);
    expect(JSON.parse(blank.stdout.text)).toMatchObject({ problemCount: 1, map: null, frames: { total: 64 } });
  });

  it('inspect refuses what is no dump', () => {
    expect(() => inspect(['torn.img'], captureIo(dir))).toThrow(/torn\.img: 16 bytes, not a whole number of frames/);
    expect(() => inspect(['nowhere.img'], captureIo(dir))).toThrow(/^cannot read .*nowhere\.img: no such file$/);
    writeFileSync(join(dir, 'memory.gz'), Buffer.from('\x1f\x8b\x08', 'latin1'));
    expect(() => inspect(['memory.gz'], captureIo(dir))).toThrow(
      /memory\.gz: packed by gzip: unpack it first: gzip -dc /,
    );
    expect(() => inspect([], captureIo(dir))).toThrow(/^MEMORY\.img is missing; usage: stillwarm inspect/);
  });
});

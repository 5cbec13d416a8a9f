// Whatever the program prints of one thing is in the singular. Each output that counts something is
// made with every count 1, and must contain the sentences below; nothing in it may be "1 files".
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Mfn, PAGE_SIZE } from '../../src/base/index.ts';
import { main } from '../../src/cli/commands.ts';
import { FAULTS_ENTRY } from '../../src/cli/check/faults.ts';
import type { ProgramIo } from '../../src/cli/io.ts';
import { saveMemory } from '../../src/experiment/guest/memory-dump.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import type { Part, PartResult } from '../../src/lab/part.ts';
import { MachineMemory } from '../../src/machine/memory.ts';
import { values } from '../../src/machine/profile.ts';
import { PENTIUM4_2006 } from '../../src/machine/profiles/pentium4-2006.ts';
import { renderHtml, renderVmmHtml } from '../../src/report/index.ts';
import { Simulation } from '../../src/sim/index.ts';
import { Hypervisor } from '../../src/xen/core/hypervisor.ts';
import { sampleResult } from '../report/sample.ts';
import { sampleVmmResult } from '../report/vmm-sample.ts';
import { captureIo } from './capture.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-counts-'));
  for (const [name, file, bytes] of [
    ['one-byte', 'file', 1],
    ['empty', 'file', 0],
    ['no-text', '\xff', 1],
  ] as const) {
    mkdirSync(join(dir, name));
    writeFileSync(
      Buffer.concat([Buffer.from(join(dir, name, '/')), Buffer.from(file, 'latin1')]),
      Buffer.alloc(bytes, 7),
    );
  }
  writeFileSync(join(dir, 'a-byte'), 'x');
  const memory = new MachineMemory(4096 * PAGE_SIZE);
  Hypervisor.boot(new Simulation(1), memory, values(PENTIUM4_2006.hypervisor));
  memory.writeU32(Mfn(3), 64, 0x1234_5678);
  saveMemory(memory, join(dir, 'damaged.img'));
  saveMemory(new MachineMemory(PAGE_SIZE), join(dir, 'frame.img'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Every number is 1, and every list has one entry. */
function allOnes<T>(value: T): T {
  if (typeof value === 'number') return 1 as T;
  if (Array.isArray(value)) return value.slice(0, 1).map(allOnes) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, allOnes(item as unknown)])) as T;
}

function printed(argv: readonly string[], change: Partial<ProgramIo> = {}): string {
  const io = captureIo(dir, change);
  main(argv, io);
  return io.stdout.text + io.stderr.text;
}

const playOne = (part: Part): PartResult => ({
  part,
  done: 1,
  counts: { states: 1, 'damaged-table.injected': 1, 'damaged-table.protected.reusedWrongly': 1 },
  reached: {},
  violations: [{ at: 1, law: 'a law', what: '1 page', replay: 'again', history: [] }],
});
const result = allOnes(sampleResult());
const vmmResult = allOnes(sampleVmmResult());

it.each<[string, () => string, ...string[]]>([
  ['mkfs', () => printed(['mkfs', 'one-byte', 'disk.img']), ', 1 file of 1 B\n'],
  [
    'mkfs, a name that is not UTF-8',
    () => printed(['mkfs', 'no-text', 'no-text.img']),
    '1 name on the disk, not UTF-8:',
  ],
  ['inspect', () => printed(['inspect', 'damaged.img']), '\n1 problem:\n'],
  ['inspect of a frame', () => printed(['inspect', 'frame.img']), ': 1 frame, 4 KiB\n', '\n1 problem:\n'],
  ['inspect of a byte', () => printed(['inspect', 'a-byte']), ': 1 byte, not a whole number of frames'],
  ['reboot of a byte', () => printed(['reboot', 'a-byte'], { runReboot }), ': 1 byte is too few for an ext2 image\n'],
  [
    'reboot of an empty file',
    () => printed(['reboot', 'empty'], { runReboot }),
    'nothing to read: 1 regular file, empty\n',
  ],
  [
    'reboot',
    () => printed(['reboot', 'empty'], { runReboot: () => ({ result, mismatches: [], notices: [] }) }),
    'verified 1 page, 1 byte: 1 NOT EQUAL\n',
  ],
  ['the page of reboot', () => renderHtml(result, []), 'a guest with 1 file<', 'verified 1 page, 1 byte: '],
  [
    'vmm-reboot',
    () =>
      printed(['vmm-reboot', 'empty'], { runVmmReboot: () => ({ result: vmmResult, mismatches: [], notices: [] }) }),
    'verified 1 page, 1 byte: 1 DIFFERS\n',
    'under 1 guest of ',
  ],
  [
    'the page of vmm-reboot',
    () => renderVmmHtml({ result: vmmResult, mismatches: [], notices: [] }),
    'verified 1 page, 1 byte: 1 DIFFERS',
  ],
  [
    'check faults',
    () =>
      printed(['check', 'faults', '--runs', '1', '--fault', 'damaged-table'], {
        checks: [{ ...FAULTS_ENTRY, checkOf: () => ({ name: 'faults', count: () => 1, play: playOne }) }],
      }),
    '1 run of each fault on ',
    '\n1 state, 1 of 1 run covered, 1 violation\n',
    '\n1 page was reused wrongly\n',
  ],
])('the sentence "%s" counts one', (_, print, ...sentences) => {
  const text = print();
  for (const sentence of sentences) expect(text).toContain(sentence);
  expect(text).not.toMatch(/(?<![\d.,])1 ([a-z]+ )?(bytes|files|frames|guests|names|pages|problems|runs)\b/);
});

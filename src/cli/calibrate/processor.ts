/**
 * Costs of the processor and of the kernel, each from the times of dd:
 *
 * - a block of one byte from /dev/zero is two system calls;
 * - a longer one clears so many bytes more;
 * - blocks of 512 bytes, 4 KiB and 64 KiB of a cached file tell what a byte, a page and a call
 *   cost;
 * - a buffer that is touched for the first time faults once a page;
 * - two processes on one processor that wait for each other switch once a byte.
 *
 * Each value is an upper bound: a call of dd contains the file system's checks and dd's own loop.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { Profile } from '../../machine/profile.ts';
import { ChildFailed, commandOf, timeOf, timeOfBlock, timeOfRun, type Copy, type Timer } from './dd.ts';
import { type Figure, figureOf, type Finding, isMeasured, mapped } from './figures.ts';

const PAGE = 4096;
/** Blocks of a run; each takes 20 to 100 ms. */
const CALLS = 200_000;
const FILE_BYTES = 48 << 20;
const FAULTING_BYTES = 64 << 20;
const SWITCHES = 20_000;
/** How many times the median the spread may be, and the median the least. */
const MOST_SPREAD = 2;
const HUGE_PAGES = '/sys/kernel/mm/transparent_hugepage/enabled';

/** What was found, and the cost of reading a cached page of 4 KiB, ns, where that was measured. */
export interface ProcessorFindings {
  readonly findings: readonly Finding[];
  readonly cachedReadNs: number | undefined;
}

/**
 * @param file of some MiB; it is read, and nothing is written
 * @param time runs the programs; a test gives one of its own
 */
export function measureProcessor(base: Profile, rounds: number, file: string, time: Timer = timeOf): ProcessorFindings {
  const zero = (blockBytes: number, blocks: number): Copy => ({ from: '/dev/zero', blockBytes, blocks });
  const calls = zero(1, CALLS);
  const block = timeOfBlock(time, calls, rounds);
  const syscall = mapped(block, (ns) => ns / 2);
  const clearing = zero(65_536, 20_000);
  const clear = mapped(timeOfBlock(time, clearing, rounds), (ns) => (ns - block.median) / (65_536 - 1));
  const findings: Finding[] = [
    steady(
      'guest.syscallNs',
      syscall,
      `half of a block of ${commandOf(calls)}; with dd's own loop and the checks of the file layer`,
    ),
    steady('guest.clearNsPerByte', clear, `${commandOf(clearing)}, into a buffer that the processor caches`),
  ];
  const file4K = measureFile(base, rounds, file, time);
  findings.push(...file4K.findings);
  findings.push(pageFault(base, rounds, clear.median, time));
  findings.push(contextSwitch(rounds, syscall.median, time));
  findings.push({ name: 'hypervisor.processors', ...exactly(availableParallelism()), how: 'processors of this host' });
  findings.push({ name: 'hypervisor.installedBytes', ...exactly(totalmem()), how: 'memory of this host' });
  const { perPageNs } = file4K;
  return { findings, cachedReadNs: perPageNs === undefined ? undefined : syscall.median + perPageNs };
}

const exactly = (value: number): Figure => ({ median: value, low: value, high: value });

/** The figure, where its rounds agree. Another program that runs meanwhile only adds time. */
function steady(name: Finding['name'], figure: Figure, how: string): Finding {
  const { median, low, high } = figure;
  if (low <= 0) return { name, why: 'the times of the rounds differ by more than it costs' };
  if (low >= median / MOST_SPREAD && high <= median * MOST_SPREAD) return { name, ...figure, how };
  return { name, why: `its rounds differ by more than a factor of ${MOST_SPREAD}: is the host idle?` };
}

/**
 * C is the cost of the calls, L that of finding a page, k that of a byte. A block of b bytes costs
 * C + L + b k within a page. One of n pages costs C + n (L + 4096 k).
 */
function measureFile(
  base: Profile,
  rounds: number,
  file: string,
  time: Timer,
): { readonly findings: readonly Finding[]; readonly perPageNs: number | undefined } {
  const names = ['guest.copyNsPerByte', 'guest.pageLookupNs'] as const;
  const bytes = Math.min(FILE_BYTES, Math.floor(statSync(file).size / 65_536) * 65_536);
  if (bytes < 1 << 20)
    return { findings: names.map((name) => ({ name, why: `${file} is too short` })), perPageNs: undefined };
  const copy = (blockBytes: number): Copy => ({ from: file, blockBytes, blocks: bytes / blockBytes });
  readWhole(file);
  const small = timeOfBlock(time, copy(512), rounds);
  const page = timeOfBlock(time, copy(PAGE), rounds);
  const large = timeOfBlock(time, copy(65_536), rounds);
  const perPage = mapped(large, (ns) => (ns - page.median) / 15);
  const perByte = mapped(page, (ns) => (ns - small.median) / (PAGE - 512));
  const how = `${commandOf({ ...copy(PAGE), from: 'FILE' })} and with blocks of 512 B and 64 KiB, FILE cached`;
  const found = [
    steady(names[0], perByte, how),
    steady(
      names[1],
      mapped(perPage, (ns) => ns - PAGE * perByte.median),
      how,
    ),
  ];
  if (found.every(isMeasured)) return { findings: found, perPageNs: perPage.median };
  const known = base.guest.pageLookupNs.value;
  const copying = mapped(perPage, (ns) => (ns - known) / PAGE);
  return {
    findings: [
      steady(names[0], copying, `${how}; less ${known} ns for finding a page`),
      { name: names[1], why: 'what it costs to find a page cannot be told from what it costs to copy it' },
    ],
    perPageNs: perPage.median > 0 ? perPage.median : undefined,
  };
}

/** So that the page cache has it. */
function readWhole(file: string): void {
  const buffer = new Uint8Array(1 << 20);
  const fd = openSync(file, 'r');
  try {
    while (readSync(fd, buffer) > 0);
  } finally {
    closeSync(fd);
  }
}

/** A buffer of dd faults once a page in the first block, and not in the second. */
function pageFault(base: Profile, rounds: number, clearNsPerByte: number, time: Timer): Finding {
  const name = 'guest.pageFaultNs';
  if (hugePages() === 'always') return { name, why: `memory is given in huge pages: ${HUGE_PAGES} says always` };
  const copy: Copy = { from: '/dev/zero', blockBytes: FAULTING_BYTES, blocks: 1 };
  const pages = FAULTING_BYTES / PAGE;
  const { pageAllocNs, pageFreeNs } = base.guest;
  const besides = PAGE * clearNsPerByte + pageAllocNs.value + pageFreeNs.value;
  const figure = figureOf(
    Array.from({ length: rounds }, () => {
      const process = timeOfRun(time, { ...copy, blockBytes: PAGE });
      const first = timeOfRun(time, copy) - process;
      const second = timeOfRun(time, { ...copy, blocks: 2 }) - process - first;
      return (first - second) / pages - besides;
    }),
  );
  return steady(
    name,
    figure,
    `${commandOf(copy)} against count=2, a page; less clearing, allocating and freeing the page`,
  );
}

function hugePages(): string | undefined {
  try {
    return /\[(\w+)\]/.exec(readFileSync(HUGE_PAGES, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Two processes hand a byte to and fro, through pipes that have no names. */
const TURNS = `
true | {
  exec 3<&0 4>/proc/self/fd/0
  true | {
    exec 5<&0 6>/proc/self/fd/0
    dd bs=1 count="$1" <&3 >&6 2>/dev/null &
    printf x >&4
    dd bs=1 count="$1" <&5 >&4 2>/dev/null
    wait
  }
}`;

function contextSwitch(rounds: number, syscallNs: number, time: Timer): Finding {
  const name = 'guest.contextSwitchNs';
  const { error } = spawnSync('taskset', ['--version'], { stdio: 'ignore' });
  if (error !== undefined) return { name, why: 'taskset is not installed, which keeps two processes on one processor' };
  const processor = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  const turns = (count: number): number => time('taskset', ['-c', processor, 'sh', '-c', TURNS, 'sh', String(count)]);
  try {
    const figure = figureOf(
      Array.from({ length: rounds }, () => {
        const one = turns(1);
        return (turns(SWITCHES) - one) / (2 * (SWITCHES - 1)) - 2 * syscallNs;
      }),
    );
    return steady(name, figure, 'two dd on one processor hand a byte to and fro; less two system calls a turn');
  } catch (error_) {
    if (!(error_ instanceof ChildFailed)) throw error_;
    return { name, why: error_.message };
  }
}

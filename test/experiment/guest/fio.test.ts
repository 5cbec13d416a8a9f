/**
 * The reboot experiment with the jobs of a job file: exact counts for each kind of job.
 * What each strategy keeps, and what a crash loses; every byte is compared.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/user-error.ts';
import { runReboot, type RebootOutcome } from '../../../src/experiment/guest/reboot.ts';
import type { RebootOptions } from '../../../src/experiment/guest/options.ts';

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'stillwarm-fio-'));
  mkdirSync(join(directory, 'tree'));
  writeFileSync(
    join(directory, 'tree', 'data'),
    new Uint8Array(300_000).map((_, at) => (at * 31 + (at >> 12)) & 255),
  );
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function run(jobs: string, over: Partial<RebootOptions> = {}): RebootOutcome {
  return runReboot({
    path: join(directory, 'tree'),
    withoutBootFiles: true,
    memory: 32 << 20,
    disk: 'profile',
    profile: 'pentium4-2006',
    strategies: ['warm-cache'],
    workload: 'fio',
    fio: { file: 'jobs.fio', bytes: new TextEncoder().encode(jobs) },
    seed: 1,
    limit: undefined,
    crash: false,
    checksum: false,
    dumpMemory: undefined,
    ...over,
  });
}

/** What the first job did in a run, of a sound experiment. */
function figuresOf({ result, mismatches }: RebootOutcome, at = 0) {
  expect(mismatches).toEqual([]);
  const [strategy] = result.strategies;
  expect(strategy!.verified.mismatches).toBe(0);
  return strategy!.runs[at]!.fio!;
}

const KIB = 1024;

describe('the jobs of a job file', () => {
  it.each([
    ['read', 64, 0],
    ['randread', 64, 0],
    ['write', 0, 64],
    ['randwrite', 0, 64],
  ])('a job of %s touches each of its blocks once in each run', (rw, reads, writes) => {
    const outcome = run(`[j]\nrw=${rw}\nbs=4k\nsize=256k\n`);
    for (let at = 0; at < 4; at++)
      expect(figuresOf(outcome, at).all).toMatchObject({
        reads,
        writes,
        readBytes: reads * 4 * KIB,
        writtenBytes: writes * 4 * KIB,
      });
  });

  it.each(['rw', 'randrw'])('a job of %s mixes reads and writes, as many in all as it has blocks', (rw) => {
    const { all } = figuresOf(run(`[j]\nrw=${rw}\nbs=4k\nsize=1m\nrwmixread=75\n`));
    expect(all.reads + all.writes).toBe(256);
    expect(all.reads).toBeGreaterThan(166);
    expect(all.reads).toBeLessThan(218);
  });

  it('each clone of a job has files of its own, and a result of its own unless they report as a group', () => {
    const alone = figuresOf(run('[j]\nrw=read\nsize=64k\nnumjobs=3\nnrfiles=2\n'));
    expect(alone.jobs.map(({ name, reads }) => [name, reads])).toEqual([
      ['j.0', 16],
      ['j.1', 16],
      ['j.2', 16],
    ]);
    const group = figuresOf(run('[j]\nrw=read\nsize=64k\nnumjobs=3\ngroup_reporting\n'));
    expect(group.jobs.map(({ name, reads }) => [name, reads])).toEqual([['j', 48]]);
    expect(group.all.reads).toBe(48);
  });

  it('processes that write over each other in one file read what one of them has written', () => {
    const jobs =
      '[j]\nrw=randrw\nbs=1000-9000\nfilename=shared\nsize=200k\nnumjobs=4\niodepth=4\nioengine=libaio\nnorandommap\nfsync=7\n';
    const outcome = run(jobs);
    const { all } = figuresOf(outcome, 3);
    expect(all.reads).toBeGreaterThan(20);
    expect(all.writes).toBeGreaterThan(20);
    expect(outcome.result.strategies[0]!.writes.bytesLost).toBe(0);
  });

  it('a warm cache answers after the reboot what it had before, and a cold one asks the disk', () => {
    const { result, mismatches } = run('[j]\nrw=randread\nfilename=data\n', {
      strategies: ['cold', 'warm-cache', 'warm-cache+metadata'],
    });
    expect(mismatches).toEqual([]);
    const hits = result.strategies.map(({ runs }) => runs.map(({ fio }) => fio!.all.hits));
    // 73 blocks of 4 KiB; the last 992 bytes are no whole block. One read waits for the block of
    // pointers, where metadata are not kept.
    expect(hits).toEqual([
      [0, 73, 0, 73],
      [0, 73, 72, 73],
      [0, 73, 73, 73],
    ]);
    const [cold, warm] = result.strategies.map(({ runs }) => runs[2]!.fio!.all);
    expect(cold!.readLatency!.p50Ns).toBeGreaterThan(10 * warm!.readLatency!.p50Ns);
    expect(warm!.readLatency!.p50Ns).toBeLessThanOrEqual(warm!.readLatency!.p99Ns);
    expect(warm!.readLatency!.p99Ns).toBeLessThanOrEqual(warm!.readLatency!.mostNs);
  });

  it('direct jobs go past the cache, and never hit it', () => {
    const outcome = run('[j]\nrw=randrw\nsize=256k\ndirect=1\niodepth=4\nioengine=io_uring\n');
    for (let at = 0; at < 4; at++) expect(figuresOf(outcome, at).all.hits).toBe(0);
  });

  it('more operations under way take less time on a disk that seeks', () => {
    const one = figuresOf(run('[j]\nrw=randread\nsize=1m\nioengine=libaio\n')).all.ns;
    const many = figuresOf(run('[j]\nrw=randread\nsize=1m\nioengine=libaio\niodepth=16\n')).all.ns;
    expect(many).toBeLessThan(one);
  });

  it('time that a job thinks, is delayed, keeps a rate or is given passes as asked', () => {
    const base = 'rw=read\nsize=64k\n';
    const ns = (keys: string): number => figuresOf(run(`[j]\n${base}${keys}`), 1).all.ns;
    const plain = ns('');
    expect(ns('thinktime=1ms\n')).toBeGreaterThanOrEqual(15e6);
    expect(ns('thinktime=1ms\nthinktime_blocks=8\n')).toBeLessThan(plain + 3e6);
    expect(ns('rate_iops=100\n')).toBeGreaterThanOrEqual(150e6);
    expect(ns('rate_iops=100\n')).toBeLessThan(170e6);
    const timed = figuresOf(run(`[j]\n${base}time_based\nruntime=20ms\nthinktime=100us\n`), 1).all;
    expect(timed.ns).toBeGreaterThanOrEqual(20e6);
    expect(timed.ns).toBeLessThan(30e6);
    expect(timed.reads).toBeGreaterThan(16);
    expect(figuresOf(run(`[j]\n${base}loops=3\n`)).all.reads).toBe(48);
  });

  it('a job with stonewall begins when those before it have ended', () => {
    const keys = 'rw=read\nsize=64k\nrate_iops=100\n';
    const together = figuresOf(run(`[a]\n${keys}[b]\n${keys}`)).all.ns;
    const apart = figuresOf(run(`[a]\n${keys}[b]\nstonewall\n${keys}`)).all.ns;
    expect(apart).toBeGreaterThan(1.9 * together);
  });

  it('a crash loses what was not synced, and Rio writes it back', () => {
    const jobs = (keys: string): string => `[j]\nrw=randwrite\nsize=256k\n${keys}`;
    const lost = (keys: string, strategy: 'cold' | 'rio'): number => {
      const outcome = run(jobs(keys), { crash: true, strategies: [strategy] });
      figuresOf(outcome, 3);
      expect(outcome.result.strategies[0]!.writes.bytes).toBe(2 * 256 * KIB);
      return outcome.result.strategies[0]!.writes.bytesLost;
    };
    expect(lost('', 'cold')).toBe(256 * KIB);
    expect(lost('', 'rio')).toBe(0);
    expect(lost('end_fsync=1\n', 'cold')).toBe(0);
  });

  it('the same seed gives the same digest, and randrepeat=0 another in each run', () => {
    const jobs = '[j]\nrw=randrw\nsize=128k\nnumjobs=2\n';
    const { digest } = run(jobs).result;
    expect(run(jobs).result.digest).toBe(digest);
    expect(run(jobs, { seed: 2 }).result.digest).not.toBe(digest);
    expect(run(`${jobs}randseed=7\n`).result.digest).not.toBe(digest);
    const mixes = run(`${jobs}randrepeat=0\n`).result.strategies[0]!.runs.map(({ fio }) => fio!.all.reads);
    expect(new Set(mixes).size).toBeGreaterThan(1);
  });

  it.each([
    ['[j]\nrw=read\n', 'jobs.fio:1: [j] size: /j.0.0 is not on the disk, or empty: give a size'],
    [
      '[j]\nrw=read\nfilename=data\nbs=512k\n',
      'jobs.fio:1: [j] bs: a block of 524288 bytes is larger than the 300000 of /data',
    ],
    ['[j]\nrw=read\nfilename=lost+found\nsize=8k\n', 'fio: /lost+found is on the disk, and no regular file'],
    ['[j]\nsize=8k\nzonemode=zbd\n', 'jobs.fio:3: "zonemode": zones are not modelled'],
    ['', 'jobs.fio: there is no job: expected a section as [name]'],
  ])('jobs that the disk does not fit are refused: %j', (jobs, message) => {
    expect(() => run(jobs)).toThrow(new UserError(message));
  });

  it('a workload of fio without a job file is refused, and a job file with another workload', () => {
    expect(() => run('', { fio: undefined })).toThrow('fio: expected a job file with the workload fio');
    expect(() => run('[j]\nsize=8k\n', { workload: 'files' })).toThrow('fio: expected a job file');
  });
});

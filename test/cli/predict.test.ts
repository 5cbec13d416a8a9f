// stillwarm predict: from a trace to the answer.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { main, statusOf } from '../../src/cli/commands.ts';
import { PREDICT_RUNS, runPredict } from '../../src/experiment/predict/experiment.ts';
import type { PredictOptions } from '../../src/experiment/predict/options.ts';
import type { PredictResult } from '../../src/experiment/predict/result.ts';
import { samplePredictResult } from '../report/predict-sample.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo } from './capture.ts';

const WEB = fileURLToPath(new URL('../../data/traces/web.csv.gz', import.meta.url));

/** @param predicted what stands for the experiment */
async function run(
  cwd: string,
  argv: readonly string[],
  predicted: (options: PredictOptions) => { result: PredictResult; isWrong?: boolean } = () => ({
    result: samplePredictResult(),
  }),
) {
  const asked: PredictOptions[] = [];
  let later: Promise<number> | undefined;
  const io = captureIo(cwd, {
    runPredict: (options) => {
      asked.push(options);
      const { result, isWrong } = predicted(options);
      const mismatches = isWrong === true ? [{ strategy: 'cold' as const, what: 'byte 3 was read wrong' }] : [];
      return { result, mismatches, notices: [] };
    },
    onEventLoop: (work) => {
      later = work().catch((error: unknown) => statusOf(error, io.stderr));
      return 0;
    },
  });
  const atOnce = main(['predict', ...argv], io);
  const status = await (later ?? atOnce);
  return { status, asked, out: io.stdout.text, err: io.stderr.text };
}

/** A trace of a web server, as common logs have it: without times in between. */
const TWO_CALLS = 't_us,tid,ev,ino,a,b,c\n0,1,p,5,0,4096,1\n2000000,1,p,5,4096,4096,1\n';

/** They leave 64 GB of pages that were written. */
const MANY_WRITES = Array.from({ length: 40 }, (_, n) => `3000000,1,w,5,${n * 16e8},1600000000,0\n`).join('');

/** What a host with less memory than the trace would fill says. */
const TOO_MUCH: [string, string][] =
  freemem() > 32e9
    ? []
    : [
        [
          'huge.csv --memory 64GiB --arch x86_64',
          "--memory 64GiB: the guest would fill .* bytes of this machine's memory, of which .* are free: ask for less",
        ],
      ];

describe('stillwarm predict', () => {
  it('stillwarm predict reads the trace of a web server that is in the project, and answers', async () => {
    const argv = [WEB, ...'--memory 64MiB --rate x0.1 --bare-boot --strategy cold,warm-cache --json'.split(' ')];
    const { status, out, asked } = await run('/', argv, (options) => runPredict(options));
    expect(status).toBe(0);
    expect(asked[0]).toMatchObject({ format: 'CSV of calls by inode', pace: 'recorded', speed: 0.1 });
    const result = JSON.parse(out) as PredictResult;
    expect(result).toMatchObject({ operations: 6000, threads: 1, rebootAt: 3000, files: 874, hasTimes: true });
    const [cold, warm] = result.strategies;
    expect(warm!.parts[1]!.missed).toBeLessThan(0.7 * cold!.parts[1]!.missed);
    expect(warm!.verified.mismatches + cold!.verified.mismatches).toBe(0);
    // Two strategies, eleven sizes, and 26 caches that come back.
    expect(PREDICT_RUNS.bytesOf(asked[0]!)).toHaveLength(2 + 11 + 26);
    expect(result.curve.at(-1)).toMatchObject({ pages: result.distinctPages, misses: result.distinctPages });
  });

  it('stillwarm predict hands on what it is told', async () => {
    const path = join('somewhere', 'calls.csv');
    await inTemporaryDirectory(async (dir) => {
      mkdirSync(join(dir, 'somewhere'));
      writeFileSync(join(dir, path), TWO_CALLS);
      const [options] = (await run(dir, [path])).asked;
      expect(options).toMatchObject({
        ...{ memory: 1 << 30, profile: 'pentium4-2006', disk: 'profile', seed: 1, pace: 'recorded', speed: 1 },
        strategies: ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'],
        rebootAt: { fraction: 0.5 },
        prefetchRate: undefined,
        path: join(dir, path),
      });
      expect(options!.trace.files.map(({ size }) => size)).toEqual([8192]);
      writeFileSync(join(dir, 'sizes.csv'), 'ino,bytes,path\n5,99999,/my/file\n');
      const more = '--rate asfast --reboot-at 1s --prefetch-rate 1M --format calls --files sizes.csv'.split(' ');
      const told = (await run(dir, [path, ...more])).asked[0]!;
      expect(told).toMatchObject({ pace: 'asfast', rebootAt: { seconds: 1 }, prefetchRate: 1 << 20 });
      expect(told.trace.files.map(({ size }) => size)).toEqual([99_999]);
      mkdirSync(join(dir, 'files', 'my'), { recursive: true });
      writeFileSync(join(dir, 'files', told.trace.files[0]!.name), 'x'.repeat(12_345));
      writeFileSync(join(dir, 'somewhere', 'calls.files.csv'), 'ino,bytes,path\n5,,/my/file\n');
      const below = (await run(dir, [path, '--files', 'files'])).asked[0]!;
      expect(below.trace.files.map(({ size }) => size)).toEqual([12_345]);
    });
  });

  it('stillwarm predict prints the answer first, or one JSON object, and writes a page', async () => {
    await inTemporaryDirectory(async (dir) => {
      writeFileSync(join(dir, 'calls.csv'), TWO_CALLS);
      const text = await run(dir, ['calls.csv', '--report', 'page']);
      expect(text.status).toBe(0);
      expect(text.out.replaceAll('\n', ' ')).toMatch(
        /^Until 90 % of the hit ratio and of the throughput before the reboot: after a conventional reboot 64.3 s and 31.0 s \(3,203 late, 0 lost\); with warm-cache 24.3 s and 24.5 s \(12 late, 0 lost\)\. warm-cache is worth it: it saves 39.8 s of 64.3 s \(at least 1 s and a tenth of it must be saved\)\. {2}How long is it slow\?/,
      );
      expect(readFileSync(join(dir, 'page', 'index.html'), 'utf8')).toMatch(/^<!doctype html>/);
      expect(JSON.parse((await run(dir, ['calls.csv', '--json'])).out)).toEqual(
        JSON.parse(JSON.stringify(samplePredictResult())),
      );
      expect((await run(dir, ['--help'])).out).toContain('--reboot-at TIME|FRACTION');
      const wrong = await run(dir, ['calls.csv', '--json'], () => ({ result: samplePredictResult(), isWrong: true }));
      expect(wrong).toMatchObject({ status: 1, err: 'mismatch (cold): byte 3 was read wrong\n' });
    });
  });

  it.each<[string, string]>([
    ['', 'TRACE is missing'],
    ['none.csv', 'TRACE: .*none.csv does not exist'],
    [
      'calls.csv --reboot-at 100s',
      '--reboot-at: 100 s: there must be an operation before it and one after; the trace ends after 2 s',
    ],
    ['calls.csv --reboot-at 0', '--reboot-at: 0 is neither a time such as 30s, 5m or 1.5h, nor a share'],
    ['calls.csv --reboot-at 1', '--reboot-at: 1 is neither a time'],
    ['calls.csv --rate x0', '--rate: x0 is none of asfast, recorded, and xN for more than 0 to 1000000 times as fast'],
    ['calls.csv --strategy rio', '--strategy: rio is for a guest that crashes: see reboot and web'],
    ['calls.csv --strategy cold --prefetch-rate 1M', '--prefetch-rate: no strategy is prefetch'],
    ['calls.csv --files none', '--files: .*none is neither a directory nor a list: it is nothing'],
    ['calls.csv --files calls.csv', '--files: .*calls.csv: line 1 is not ino,bytes,path'],
    ['one.csv', '--reboot-at: it has one operation: a reboot needs one before it and one after'],
    ...TOO_MUCH,
    ['text', '.*text: '],
    ['numbers --format numbers-pages --rate recorded', '--rate: the trace tells no times: only asfast is possible'],
  ])('stillwarm predict %s is refused in one line', async (line, message) => {
    await inTemporaryDirectory(async (dir) => {
      writeFileSync(join(dir, 'calls.csv'), TWO_CALLS);
      writeFileSync(join(dir, 'one.csv'), TWO_CALLS.split('\n').slice(0, 2).join('\n'));
      writeFileSync(join(dir, 'huge.csv'), TWO_CALLS + MANY_WRITES);
      writeFileSync(join(dir, 'text'), 'what is this\n');
      writeFileSync(join(dir, 'numbers'), '1\n2\n3\n');
      const { status, err } = await run(
        dir,
        line.split(' ').filter((word) => word !== ''),
      );
      expect(status).toBe(2);
      expect(err).toMatch(new RegExp(`^(stillwarm: the trace has .*\n)?stillwarm: ${message}.*\n$`));
    });
  });
});

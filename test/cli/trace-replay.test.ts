// `stillwarm trace curve` and `stillwarm trace restore`: what they print and refuse, on one core
// and on several.
import { POLICIES } from '../../src/kernel/mm/policy/policies.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CurveResult, RestoreResult } from '../../src/experiment/accesses/result.ts';
import { BuiltCli } from '../support/built-cli.ts';
import { madeStream } from '../experiment/accesses/streams.ts';
import type { Printed } from './check/lab.ts';
import { runHere } from './here.ts';

let cli: BuiltCli;
let dir = '';
beforeAll(() => {
  cli = new BuiltCli();
  dir = mkdtempSync(join(tmpdir(), 'stillwarm-replay-'));
  const stream = madeStream(7, 3000, 400);
  writeFileSync(join(dir, 'a.lis'), stream.map((page) => `${page}\n`).join(''));
  writeFileSync(join(dir, 'a.spc'), stream.map((page, n) => `0,${8 * page},4096,r,${n / 1000}\n`).join(''));
  writeFileSync(join(dir, 'open.strace'), '1.000000 openat(AT_FDCWD, "/a", O_RDONLY) = 3</a> <0.000010>\n');
});
afterAll(() => {
  cli.remove();
  rmSync(dir, { recursive: true, force: true });
});

const ran = (line: string): Promise<Printed> => runHere(cli.main, dir, line.split(' '));

describe('trace curve', () => {
  it('a curve is exact by default, and the same on one core and on two', async () => {
    const line = 'trace curve a.lis --format numbers-pages --sizes 1MiB,256KiB,2MiB';
    const [one, two] = [await ran(`${line} --json --jobs 1`), await ran(`${line} --json --jobs 2`)];
    expect(two).toEqual(one);
    expect([one.status, one.err]).toEqual([0, '']);
    const result = JSON.parse(one.out) as CurveResult;
    const validate = new Ajv2020({ strict: true }).compile(CurveResult);
    validate(result);
    expect(validate.errors).toBeNull();
    expect(result).toMatchObject({ pageAccesses: 3000, distinctPages: 400, sample: null });
    expect(result.curves.map(({ policy }) => policy)).toEqual(['linux-2.6.12']);
    const { points } = result.curves[0]!;
    expect(points.map(({ pages }) => pages)).toEqual([64, 256, 512]);
    expect(points.at(-1)).toMatchObject({
      bytes: 2 ** 21,
      misses: 400,
      missRatio: 400 / 3000,
      missRatioError: null,
    });
    const { out } = await ran(`${line} --jobs 1`);
    expect(out).toMatch(
      /^a.lis: plain numbers.*\n3,000 page accesses to 400 different ones \(1.56 MiB\)\nEach size is a replay/,
    );
    expect(out).toMatch(/│ 2 MiB +│ +512 │ +400 │ 13.33 % +│/);
  });

  it('a sample tells how much it may be off, and a sample of all pages is off by nothing', async () => {
    const { out } = await ran('trace curve a.spc --sample 0.5');
    expect(out).toMatch(/\nEstimated for an LRU from [12]\d\d pages, 50 % of all, with [\d,]+ accesses/);
    expect(out).toMatch(/│ page cache │ pages │ misses │ miss ratio │ off by up to │/);
    const all = JSON.parse((await ran('trace curve a.spc --sample 1 --sizes 2MiB --json')).out) as CurveResult;
    expect(all.sample).toEqual({ rate: 1, pages: 400, accesses: 3000 });
    expect(all.curves).toMatchObject([{ policy: 'lru', points: [{ misses: 400, missRatioError: 0 }] }]);
  });

  it('several policies are one table of miss ratios, and `all` names each', async () => {
    const line = 'trace curve a.lis --format numbers-pages --sizes 256KiB,2MiB';
    const two = await ran(`${line} --policy linux-6,linux-2.6.12`);
    expect(two.out).toMatch(/│ page cache │ pages │ +linux-6 │ linux-2.6.12 │\n/);
    expect(two.out).toMatch(/│ 2 MiB +│ +512 │ 13.33 % +│ 13.33 % +│/);
    const all = JSON.parse((await ran(`${line} --policy all --json`)).out) as CurveResult;
    expect(all.curves.map(({ policy }) => policy)).toEqual([...POLICIES]);
    for (const policy of POLICIES) {
      const alone = JSON.parse((await ran(`${line} --policy ${policy} --json`)).out) as CurveResult;
      expect(alone.curves).toEqual(all.curves.filter((each) => each.policy === policy));
    }
  });

  it.each([
    ['curve open.strace', /^stillwarm: TRACE: it reads and writes no page\n$/],
    ['curve a.spc --policy fifo', /^stillwarm: --policy: fifo is none of linux-2.6.12, /],
    ['curve a.spc --sizes 1000', /^stillwarm: --sizes: 1000 is not a multiple of 4096 bytes up to 1TiB\n$/],
    ['curve a.spc --sizes 1MiB,1024KiB', /^stillwarm: --sizes: \S+ has one of them twice\n$/],
    [
      'curve a.spc --sample 0',
      /^stillwarm: --sample: 0 is neither a share of more than 0 to 1, nor 64 to 16777216 pages\n$/,
    ],
    ['curve a.spc --sample 1.5', /^stillwarm: --sample: 1.5 is neither/],
    ['curve a.spc --sample 63', /^stillwarm: --sample: 63 is neither/],
    ['curve a.spc --sample 0.001', /^stillwarm: --sample: it has \d pages?, and tells nothing: take a larger share\n$/],
    [
      'restore a.spc --rate-limit 0',
      /^stillwarm: --rate-limit: 0 is neither pages an access, such as 0.5, nor a size a second/,
    ],
    ['restore a.spc --rate-limit fast/s', /^stillwarm: --rate-limit: fast is not a size/],
    ['restore a.spc --first 101', /^stillwarm: --first: 101 is not a number of 0 to 100/],
    ['restore a.spc --order age', /^stillwarm: --order: age is none of recency, frequency, file, first-touch\n$/],
    [
      'restore a.spc --reboot-at 1h',
      /^stillwarm: --reboot-at: the trace has no page access before it, or none after it\n$/,
    ],
    [
      'restore a.lis --format numbers-pages --reboot-at 1s',
      /^stillwarm: --reboot-at: the trace tells no times: only a share/,
    ],
    [
      'restore a.lis --format numbers-pages --rate-limit 1MiB/s',
      /^stillwarm: --rate-limit: the trace tells no times: only pages/,
    ],
  ])('a mistake in trace %s is one line', async (line, message) => {
    const { status, out, err } = await ran(`trace ${line}`);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });
});

describe('trace restore', () => {
  it('each order and share has its hits, the same on one core and on two', async () => {
    const line =
      'trace restore a.spc --memory 600KiB --reboot-at 2s --order file,recency --first 10,100 --rate-limit 1MiB/s';
    const [one, two] = [await ran(`${line} --json --jobs 1`), await ran(`${line} --json --jobs 2`)];
    expect(two).toEqual(one);
    expect([one.status, one.err]).toEqual([0, '']);
    const result = JSON.parse(one.out) as RestoreResult;
    const validate = new Ajv2020({ strict: true }).compile(RestoreResult);
    validate(result);
    expect(validate.errors).toBeNull();
    expect(result).toMatchObject({ cachePages: 150, rebootAt: 2000, keptPages: 150, accessesAfter: 1000 });
    expect(result).toMatchObject({ pagesPerAccess: null, bytesPerSecond: 2 ** 20 });
    expect(result.coldHits).toBeLessThan(result.warmHits);
    expect(result.sweep.map(({ order, percent }) => `${order} ${percent}`)).toEqual([
      'file 10',
      'file 100',
      'recency 10',
      'recency 100',
    ]);
    for (const { hits, hitRatio, gain } of result.sweep) {
      expect(hitRatio).toBe(hits / 1000);
      expect(gain).toBe((hits - result.coldHits) / (result.warmHits - result.coldHits));
    }
    const { out } = await ran(`${line} --jobs 1`);
    expect(out).toContain('\nPages come at up to 1MiB a second of the trace, and only the first');
    expect(out).toMatch(/│ only +│ file +│ recency +│/);
  });

  it('all pages at once are worth all that a warm cache is worth, at half of the memory by default', async () => {
    const { out } = await ran('trace restore a.lis --format numbers-pages --first 0,100 --jobs 1');
    expect(out).toContain('A page cache of 800 KiB has 200 pages at the reboot, after 1,500 page accesses');
    expect(out).toContain('\nPages come before the first access');
    expect(out.match(/\(100 %\)/g)).toHaveLength(4);
    expect(out.match(/\(0 %\)/g)).toHaveLength(4);
    const large = await ran('trace restore a.lis --format numbers-pages --memory 1TiB --first 1 --order file --jobs 1');
    expect(large.out).toContain('A page cache of 1 TiB has ');
  });
});

// The text and the page of `stillwarm predict`.
import { describe, expect, it } from 'vitest';
import type { PredictResult, PredictService } from '../../src/experiment/predict/result.ts';
import { renderPredictHtml, renderPredictText } from '../../src/report/index.ts';
import { predictHeadline } from '../../src/report/predict-measures.ts';
import { samplePredictResult, samplePredictStrategies } from './predict-sample.ts';

const outcome = (result: PredictResult, mismatches: { strategy: 'cold'; what: string }[] = []) => ({
  result,
  mismatches,
  notices: [],
});

const of = (cold: Partial<PredictService>, warm: Partial<PredictService>): PredictResult => ({
  ...samplePredictResult(),
  strategies: samplePredictStrategies().map((strategy, n) => ({
    ...strategy,
    service: { ...strategy.service, ...(n === 0 ? cold : warm) },
  })),
});

describe('the report of a prediction', () => {
  it('the text of a prediction has every figure, within 100 columns', () => {
    const text = renderPredictText(outcome(samplePredictResult(), [{ strategy: 'cold', what: 'a page' }]), false);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    for (const part of [
      /until 90 % of the hit ratio, s +│ +64\.3 │ +24\.3 │/,
      /operations late +│ +3,203 │ +12 │/,
      /first, hit ratio +│ +54\.5 % │ +90\.5 % │/,
      /first, operations\/s +│ +167 │ +250 │/,
      /pages missing, first \/ first of cold +│ +1\.00 × │ +0\.209 × │/,
      / {2}refused: lies elsewhere now +│ +0 │ +100 │/,
      / {2}kept, not asked for +│ +0 │ +1,500 │/,
      /24\.0 to 26\.0 +│ +43\.8 % │/,
      /\/var\/lib\/data\.db +│ +4,100 │ +20 │/,
      /106 MiB +│ 27,161 │ +55,200 │ +92\.0 % │/,
      /none +│ +7\.93 % │ +7\.93 % │/,
      /50 % +│ +9\.48 % │ +9\.31 % │ +9\.14 % │ +8\.97 % │/,
      /come at up to 0\.5 an\s+access/,
      /trace calls of strace, 15,003 operations/,
      /NOT EQUAL|all equal/,
      /mismatch \(cold\): a page/,
    ])
      expect(text).toMatch(part);
  });

  it.each<[string, Partial<PredictService>, Partial<PredictService>, string]>([
    ['saves much', {}, {}, 'warm-cache is worth it: it saves 39.8 s of 64.3 s'],
    [
      'saves little',
      { until90HitsNs: 25e9, until90RateNs: 25e9 },
      {},
      'warm-cache is not worth it: it saves 0.500 s of 25.0 s',
    ],
    [
      'saves less than a tenth',
      { until90HitsNs: 26e9, until90RateNs: 26e9 },
      {},
      'is not worth it: it saves 1.50 s of 26.0 s',
    ],
    ['is slower', { until90HitsNs: 20e9, until90RateNs: 20e9 }, {}, 'is not worth it: it saves 0 s of 20.0 s'],
    ['is alone to recover', { until90HitsNs: null }, {}, 'is worth it: without it the trace ends before both are back'],
    [
      'does not recover',
      {},
      { until90RateNs: null },
      'is not seen to be worth it: the trace ends before both are back',
    ],
    [
      'reads nothing',
      { hitRatioBefore: null, until90HitsNs: null },
      { hitRatioBefore: null, until90HitsNs: null },
      'it saves 6.50 s of 31.0 s',
    ],
  ])('the sentence of a warm cache that %s', (_, cold, warm, sentence) => {
    expect(predictHeadline(of(cold, warm))).toContain(sentence);
  });

  it('the sentence of one strategy has no verdict', () => {
    const [cold] = samplePredictStrategies();
    const sentence = predictHeadline({ ...samplePredictResult(), strategies: [cold!] });
    expect(sentence).toBe(
      'Until 90 % of the hit ratio and of the throughput before the reboot: after a conventional reboot 64.3 s and 31.0 s (3,203 late, 0 lost).',
    );
  });

  it('the page of a prediction has its curves, tables and files', () => {
    const page = renderPredictHtml(outcome(samplePredictResult()));
    for (const part of [
      'id="hits-',
      'id="latency-',
      'id="sizes-',
      'id="restore-',
      '<title>misses of linux-2.6.12 at 212 MiB: 90.5 %</title>',
      '<title>file at 50 %: 9.14 %</title>',
      'Files that matter',
      '/var/lib/data.db',
      '90 % at 64.3 s',
      'worth it',
    ])
      expect(page).toContain(part);
    const less = renderPredictHtml(outcome({ ...samplePredictResult(), topFiles: [], curve: [], restore: null }));
    for (const part of ['Files that matter', 'id="sizes-', 'id="restore-']) expect(less).not.toContain(part);
  });
});

// What is printed of a web server over a reboot: every figure against the result, by arithmetic.
import { describe, expect, it } from 'vitest';
import type { WebService } from '../../src/experiment/web/result.ts';
import { renderWebHtml } from '../../src/report/web-html.ts';
import { webHeadline, webNotes, webSections } from '../../src/report/web-measures.ts';
import { renderWebText } from '../../src/report/web-text.ts';
import { sampleWebResult, sampleWebStrategies } from './web-sample.ts';

const outcome = { result: sampleWebResult(), mismatches: [], notices: [] };
const rows = webSections(outcome.result).flatMap((section) => section.rows);
const row = (label: string) => rows.find((each) => each.label === label)?.values;

describe('the figures of stillwarm web', () => {
  it('the first table answers what an operator asks', () => {
    expect(webSections(outcome.result)[0]).toEqual({
      question: 'What does the reboot cost the service?',
      rows: [
        { label: 'down, s', values: ['23.5', '23.5'] },
        { label: 'until 90 % of the rate before, s', values: ['61.0', '24.3'] },
        { label: 'requests lost', values: ['3,456', '2,345'] },
        { label: 'requests late', values: ['340', '12'] },
        { label: 'area lost, request-seconds', values: ['3,460', '2,351'] },
      ],
    });
  });

  it('rates, losses, latencies and errors are those of the result, with those of the slides below', () => {
    expect(row('before, requests/s')).toEqual(['100', '100']);
    expect(row('lost in 20 s after its return')).toEqual(['50.0 %', '1.00 %']);
    expect(row('lost in 33 s after its return')).toEqual(['40.0 %', '2.00 %']);
    const slides = rows.filter(({ label }) => label === '  slides').map(({ values }) => values);
    expect(slides).toEqual([
      ['—', '6.00 %'],
      ['44.0 %', '—'],
      ['—', '3.00 ×'],
      ['—', '92.0 %'],
    ]);
    expect(row('before, median answer, ms')).toEqual(['0.700', '0.700']);
    expect(row('after, 99 % of answers, ms')).toEqual(['5.00', '5.00']);
    expect(row('  connrefused')).toEqual(['2,045', '2,045']);
    expect(row('  socket-timo')).toBeUndefined();
  });

  it('runs are requests and bytes over their time, and ratios are of bytes a second', () => {
    expect(row('before 1, requests/s')).toEqual(['250', '244']);
    expect(row('after 2, MB/s')).toEqual(['59.6', '57.0']);
    expect(row('after 1, 99 % of answers, ms')).toEqual(['18.0', '5.00']);
    expect(row('after 1 / after 1 of cold')).toEqual(['1.00 ×', '3.60 ×']);
    expect(row('after 1 / after 2')).toEqual(['24.4 %', '92.0 %']);
    expect(row('pages reused')).toEqual(['0', '16,000']);
  });

  it('what was not measured, or cannot be divided, is a dash', () => {
    const [cold, warm] = sampleWebStrategies();
    const empty = { ...warm!.service, until90Ns: null, loss: { first20s: null, first33s: null } };
    const nothing = { ...warm!, service: empty, runs: warm!.runs.map((run) => ({ ...run, bytes: 0, p99Ns: null })) };
    const result = sampleWebResult({ strategies: [nothing] });
    const all = webSections(result).flatMap((section) => section.rows);
    const of = (label: string) => all.find((each) => each.label === label)?.values;
    expect(of('until 90 % of the rate before, s')).toEqual(['—']);
    expect(of('lost in 20 s after its return')).toEqual(['—']);
    expect(of('after 1, 99 % of answers, ms')).toEqual(['—']);
    expect(of('after 1 / after 1 of cold')).toEqual(['—']);
    expect(of('after 1 / after 2')).toEqual(['—']);
    expect(webHeadline(result)).toBeUndefined();
    expect(webHeadline(sampleWebResult({ strategies: [cold!, nothing] }))).toMatch(/^With no strategy /);
  });

  it('a figure that is missing or negative has its reason in one line of the text and on the page', () => {
    const [cold, warm] = sampleWebStrategies();
    const silence = { p50Ns: null, p99Ns: null };
    const with_ = (change: Partial<WebService>) =>
      sampleWebResult({ strategies: [cold!, { ...warm!, service: { ...warm!.service, ...change } }] });
    const { before, after } = warm!.service.latency;
    const none = { until90Ns: null, loss: { first20s: null, first33s: null } };
    const cases: [Partial<WebService>, string[]][] = [
      [{}, []],
      [
        { ...none, latency: { before: silence, after } },
        ['No request was answered before the reboot (warm-cache): there is no rate to compare with.'],
      ],
      [
        { ...none, latency: { before, after: silence } },
        ['No request was answered after the reboot within the 40 seconds that --after measures (warm-cache).'],
      ],
      [
        none,
        [
          'The rate was not back at 90 % within the 40 seconds that --after measures (warm-cache): a longer --after looks on.',
          'A loss has no figure (warm-cache): the 40 seconds that --after measures end before it is complete.',
        ],
      ],
      [
        { loss: { first20s: -0.05, first33s: 0.01 } },
        ['A negative loss (warm-cache): more was answered after the return than before.'],
      ],
    ];
    for (const [change, notes] of cases) {
      const result = with_(change);
      expect(webNotes(result)).toEqual(notes);
      const text = renderWebText({ result, mismatches: [], notices: [] }, false).replaceAll(/\s+/g, ' ');
      const page = renderWebHtml({ result, mismatches: [], notices: [] });
      for (const note of notes) for (const printed of [text, page]) expect(printed).toContain(note);
    }
    const text = renderWebText(
      { result: with_({ loss: { first20s: -0.05, first33s: 0 } }), mismatches: [], notices: [] },
      false,
    );
    expect(text).toContain('−5.00 %');
  });

  it('a row that belongs to the one above it stands to its right, in the text and on the page', () => {
    expect(renderWebText(outcome, false)).toMatch(/\n│ {3}slides /);
    const page = renderWebHtml(outcome);
    expect(page.match(/<th scope="row" class="below">slides<\/th>/g)).toHaveLength(4);
    expect(page).toContain('<th scope="row" class="below">connrefused</th>');
    expect(page).toContain('<th scope="row">down, s</th>');
  });

  it('the sentence names the strategy with which the service recovers first', () => {
    expect(webHeadline(outcome.result)).toBe(
      'With warm-cache the service has 90 % of its throughput again 24.3 s after the start of the reboot, after a conventional reboot after 61.0 s.',
    );
  });

  it('the sentence says when no strategy is a second earlier than a conventional reboot', () => {
    const [cold, warm] = sampleWebStrategies();
    const near = { ...cold!, service: { ...cold!.service, until90Ns: warm!.service.until90Ns! + 1e9 - 1 } };
    expect(webHeadline(sampleWebResult({ strategies: [near, warm!] }))).toBe(
      'With no strategy is the service at 90 % of its throughput a second earlier than after a conventional reboot.',
    );
  });

  it('the text fits in 100 columns, and ends with the verdict', () => {
    const text = renderWebText(outcome, false);
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(text).toMatch(/\nverified 16,000 pages, 610,000,000 bytes: all equal\n$/);
    const wrong = { ...outcome, mismatches: [{ strategy: 'cold' as const, what: '/a: byte 3 was read wrong' }] };
    expect(renderWebText(wrong, true)).toMatch(/\u001b\[31mverified .*\n.*mismatch \(cold\): \/a: byte 3/);
  });

  it('the page has the sentence, every figure and the curve of each strategy', () => {
    const page = renderWebHtml(outcome);
    for (const { label, values } of rows) for (const text of [label.trim(), ...values]) expect(page).toContain(text);
    expect(page.match(/class="line/g)!.length).toBeGreaterThanOrEqual(2);
    expect(page).not.toMatch(/NaN|>undefined/);
    expect(renderWebHtml({ ...outcome, mismatches: [{ strategy: 'cold', what: '<b>' }] })).toContain('&lt;b&gt;');
  });
});

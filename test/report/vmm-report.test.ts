import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VMM_STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { VMM_FIGURES } from '../../src/slides/figures.ts';
import { renderVmmHtml } from '../../src/report/vmm-html.ts';
import { grids, reasonsOf, seriesOf } from '../../src/report/vmm-measures.ts';
import { renderVmmText } from '../../src/report/vmm-text.ts';
import { property } from '../support/property.ts';
import { checkNesting } from './html-nesting.ts';
import { sampleMeasurement, sampleVmmResult } from './vmm-sample.ts';

const notesOf = (result = sampleVmmResult()): string[] =>
  grids(result).flatMap(({ rows }) => rows.flatMap(({ cells }) => cells.flatMap(({ note }) => note ?? [])));

describe('the figures of a reboot of the hypervisor', () => {
  it('the figures of a reboot of the hypervisor have every figure of the slides beside them once, and whether it was fitted', () => {
    const expected = VMM_FIGURES.map(({ value, status }) => `slide ${value}, ${status}`);
    expect(notesOf().sort()).toEqual(expected.sort());
  });

  it('the figures of a reboot of the hypervisor have none of the slides beside them on another machine', () => {
    expect(notesOf(sampleVmmResult({ profile: 'server-2026' }))).toEqual([]);
    expect(notesOf(sampleVmmResult({ disk: 'nvme' }))).toEqual([]);
  });

  it('the figures of a reboot of the hypervisor are of the machine that was asked for alone when no series was measured', () => {
    const single = sampleVmmResult({ machines: [sampleMeasurement(3, 1 << 28)] });
    expect(seriesOf(single)).toEqual([]);
    expect(grids(single).map(({ question }) => question)).toEqual([
      'How long does a reboot of the hypervisor take under 3 guests of 256 MiB?',
      'How long does a guest boot, the longest of them?',
      'What do the clients of their web servers see?',
      'What becomes of the guests, and how fast are their files read again?',
      'How much memory of the guests does domain 0 move? (What guests read and write is not in it.)',
    ]);
  });

  it('the figures of a reboot of the hypervisor name the longest downtime of the guests', () => {
    const [first] = grids(sampleVmmResult());
    expect(first!.rows.map(({ cells }) => cells[3]!.value)).toEqual(VMM_STRATEGIES.map(() => '41.0'));
  });
});

describe('the printed text', () => {
  it('the printed text fits in 100 columns and ends with the verdict', () => {
    const text = renderVmmText({ result: sampleVmmResult(), mismatches: [], notices: [] }, false);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text).toMatch(/\nverified 60,000 pages, 180,000,000 bytes: all equal\n$/);
    // With figures of the slides, which no machine has whose constants were set.
    const slides = renderVmmText(
      { result: sampleVmmResult({ set: [], machines: [sampleMeasurement(1, 1 << 30)] }), mismatches: [], notices: [] },
      false,
    );
    expect(slides).toMatch(/│ +predicted │ +predicted │[^│]*│ +fitted │/);
    expect(Math.max(...slides.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    for (const { question, rows } of grids(sampleVmmResult())) {
      expect(text).toContain(question);
      for (const { value } of rows.flatMap(({ cells }) => cells)) expect(text).toContain(value);
    }
  });

  it('the printed text speaks of figures of the slides below ours only when there are some', () => {
    const asked = sampleMeasurement(1, 1 << 30);
    const both = (change: Parameters<typeof sampleVmmResult>[0]): string[] => {
      const outcome = { result: sampleVmmResult({ machines: [asked], ...change }), mismatches: [], notices: [] };
      return [renderVmmText(outcome, false), renderVmmHtml(outcome)];
    };
    for (const printed of both({})) expect(printed).toMatch(/Below a figure is the slides(?:'|&#39;) figure/);
    for (const printed of both({ profile: 'server-2026' })) expect(printed).not.toContain('Below a figure');
  });

  it('the printed text says what it means when less than nothing was saved of a boot', () => {
    const asked = sampleMeasurement(1, 1 << 30);
    const strategies = asked.strategies.map((strategy) => ({
      ...strategy,
      guests: strategy.guests.map((guest) => ({
        ...guest,
        boots: { before: guest.boots.before, after: { ...guest.boots.before, ns: guest.boots.before.ns + 0.5e9 } },
      })),
    }));
    const outcome = { result: sampleVmmResult({ machines: [{ ...asked, strategies }] }), mismatches: [], notices: [] };
    for (const printed of [renderVmmText(outcome, false), renderVmmHtml(outcome)]) {
      expect(printed).toContain('A negative figure saved of a boot: it took longer than the first one.');
      expect(printed).toContain('−0.500');
      expect(printed).not.toContain('-0.500');
    }
  });

  it('the printed text says what differs, and why a guest does not go on', () => {
    const machine = sampleMeasurement(1, 1 << 30);
    const [warm, ...rest] = machine.strategies;
    const guests = warm!.guests.map((guest) => ({ ...guest, outcome: 'booted' as const, reason: 'a torn record' }));
    const verified = { pages: 1, bytes: 2, mismatches: 3 };
    const result = sampleVmmResult({
      machines: [{ ...machine, strategies: [{ ...warm!, guests, verified }, ...rest] }],
    });
    expect(reasonsOf(result)).toEqual(['1 guest of 1 GiB, warm-vm: guest0 does not go on: a torn record']);
    const mismatches = [{ vms: 1, memory: 1 << 30, strategy: 'warm-vm' as const, what: 'byte 3 was read wrong' }];
    const text = renderVmmText({ result, mismatches, notices: [] }, true);
    expect(text).toContain(
      'guest0 does not go on: a torn record\n\u001b[31mverified 5,001 pages, 15,000,002 bytes: 3 DIFFER',
    );
    expect(text).toMatch(/\nmismatch \(warm-vm, 1 × 1073741824\): byte 3 was read wrong\n$/);
  });
});

describe('the page', () => {
  const html = renderVmmHtml({ result: sampleVmmResult(), mismatches: [], notices: [] });

  it('the page is whole, well nested, and stands alone', () => {
    checkNesting(html);
    expect(html).not.toMatch(/<link|<img|<iframe|@import|src=/);
    expect(html.replaceAll(/<a href="https:[^"]*" rel="noreferrer">/g, '')).not.toMatch(/https?:|href=/);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
    expect(html.match(/<svg class="chart"/g)).toHaveLength(7);
    // Once a scale.
    expect(html.match(/class="ring hit"/g)).toHaveLength(2 * VMM_FIGURES.length);
  });

  it('the page has every figure of the printed tables', () => {
    for (const { question, rows } of grids(sampleVmmResult())) {
      expect(html).toContain(`<caption>${question}</caption>`);
      for (const { cells } of rows) for (const { value } of cells) expect(html).toContain(`<td>${value}`);
    }
  });

  it('the page shows a bar for the silence of each guest of the machine that was asked for', () => {
    expect(html.match(/class="silence hit"/g)).toHaveLength(2 * VMM_STRATEGIES.length);
    const many = renderVmmHtml({
      result: sampleVmmResult({ machines: [sampleMeasurement(9, 1 << 28)] }),
      mismatches: [],
      notices: [],
    });
    expect(many.match(/class="silence hit"/g)).toHaveLength(VMM_STRATEGIES.length);
    expect(many.match(/<svg class="chart"/g)).toHaveLength(1);
  });

  const nasty = fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'b', '/', ' ') });
  property('the page of a hypervisor reboot escapes whatever text it is given', nasty, nasty, (what, fitted) => {
    const mismatches = [{ vms: 1, memory: 4096, strategy: 'warm-vm' as const, what }];
    const page = renderVmmHtml({ result: sampleVmmResult({ fitted: [fitted] }), mismatches, notices: [] });
    checkNesting(page);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { protocol, search } from '../../src/lab/protocol/index.ts';
import { STEP_SCRIPT } from '../../src/report/kit/step-script.ts';
import { protocolPage } from '../../src/report/protocol-html.ts';
import { property } from '../support/property.ts';
import { HANDED_OVER, HOSTILE, STUCK } from './history-sample.ts';
import { checkNesting } from './html-nesting.ts';

describe('the page of histories', () => {
  const html = protocolPage([HANDED_OVER, STUCK]);

  it('the page of histories is whole, well nested, small, and stands alone', () => {
    checkNesting(html);
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/<link|<img|<iframe|@import|src=|https?:|url\([^#]|NaN|undefined<|>undefined/);
    expect(html.match(/<script>/g)).toHaveLength(1);
    expect(html).toContain(`<script>${STEP_SCRIPT}</script>`);
    expect(html.replaceAll(/href="#h\d+(-\d+)?"/g, '')).not.toContain('href=');
    const own = [...html.matchAll(/<(style|script)>([^]*?)<\/\1>/g)].map(([, , text]) => text!.length);
    expect(own).toHaveLength(2);
    expect(own[0]! + own[1]!).toBeLessThan(21_000);
  });

  it('the page of histories draws each actor once, each step on its line, an event over all, and the law at the end', () => {
    const [picture] = protocolPage([HANDED_OVER]).match(/<svg class="chart"[^]*?<\/svg>/)!;
    expect([...picture.matchAll(/class="name halo middle">([^<]*)/g)].map(([, name]) => name)).toEqual([
      'old kernel',
      'program',
      'new kernel',
      'reclaim',
    ]);
    expect(picture.match(/class="lifeline"/g)).toHaveLength(4);
    expect(picture.match(/class="event"/g)).toHaveLength(1);
    // A mark is where the line of its actor is, and each is below the one before it.
    const lines = [...picture.matchAll(/class="lifeline" d="M([\d.]+) /g)].map(([, x]) => Number(x));
    const marks = [...picture.matchAll(/translate\(([\d.]+),([\d.]+)\) scale/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    expect(marks.map(([x]) => lines.indexOf(x!))).toEqual([0, 1, 2, 2, 3]);
    expect(marks.map(([, y]) => y)).toEqual(marks.map(([, y]) => y).sort((a, b) => a! - b!));
    expect(picture).toContain('✗ breaks the law “what was written is there”');
  });

  it('the page of histories says a deadlock, why a protocol is unfit, and that nothing broke', () => {
    expect(protocolPage([STUCK])).toContain('A deadlock: no step is left, after 1 step.');
    const unfit = protocolPage([{ ...STUCK, law: 'throws', end: 'server.hand over: it threw <that>' }]);
    expect(unfit).toContain('✗</b> Server.hand over: it threw &lt;that&gt;');
    expect(unfit).not.toContain('breaks the law');
    const none = protocolPage([]);
    checkNesting(none);
    expect(none).toContain('No law broke, so there is no history.');
    expect(none).toContain('class="verdict good"');
  });

  it('the page of histories draws the history that a search has found', () => {
    const lamp = protocol<{ on: boolean; times: number }>({
      ...{ name: 'lamp', what: 'A lamp.' },
      build: () => ({
        initial: { on: false, times: 0 },
        actors: {
          hand: {
            turn: {
              do: (s) => {
                s.on = !s.on;
                s.times++;
              },
            },
          },
        },
        laws: { always: { 'it is turned twice at most': ({ times }) => times < 3 } },
      }),
    });
    const { counterexample } = search(lamp);
    const page = protocolPage([counterexample!]);
    expect(page.match(/<li id="h1-\d"><a href="#h1-\d">hand, turn<\/a>/g)).toHaveLength(3);
    expect(page).toContain('Breaks the law “it is turned twice at most”, after 3 steps.');
  });

  const nasty = fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'b', '/', ' ', '\u202e', '\n') });
  property('the page of histories escapes whatever text it is given', nasty, nasty, nasty, (name, step, value) => {
    const page = (a: string, b: string, c: string): string =>
      protocolPage([
        {
          ...{ protocol: `p${a}`, faults: [`f${a}`], law: `l${b}`, replay: `r${c}`, initial: { [`n${a}`]: c } },
          steps: [
            { actor: `a${a}`, step: `s${b}`, isEvent: false, state: { [`n${a}`]: `x${c}` } },
            { actor: '', step: `e${b}`, isEvent: true, state: {} },
          ],
        },
      ]);
    const given = page(name, step, value);
    checkNesting(given);
    expect(given).not.toMatch(/\u202e/);
    return given.split('<').length === page('', '', '').split('<').length;
  });

  it('the page of histories is whole for 200 steps with names that are markup', () => {
    const page = protocolPage([HOSTILE]);
    checkNesting(page);
    expect(page.match(/<li id="h1-/g)).toHaveLength(200);
    expect(page).not.toContain('<img');
  });
});

/**
 * Histories of a protocol, each of which ends where a law breaks, as one self-contained HTML page
 * that a reader steps through (kit/step-script.ts). Without its script it shows each history whole:
 * the sequence, the first state, and the steps with what each changes.
 */

import { counted } from '../base/counted.ts';
import { printable } from '../base/printable.ts';
import type { History } from './history.ts';
import { NO_FIGURE } from './kit/figures.ts';
import { html, lines, Markup } from './kit/markup.ts';
import { renderFrame, renderVerdict } from './kit/page.ts';
import { sequenceChart } from './kit/sequence.ts';
import { STEP_SCRIPT } from './kit/step-script.ts';
import { STEP_STYLE } from './kit/step-style.ts';
import { STYLE } from './kit/style.ts';
import { compareStates, type Change, type Place, type States } from './states.ts';

/** The whole page. Without a history it says that no law broke. */
export function protocolPage(histories: readonly History[]): string {
  const names = [...new Set(histories.map(({ protocol }) => printable(protocol)))];
  const heading = names.length === 1 ? names[0]! : counted(names.length, 'protocol');
  const isGood = histories.length === 0;
  const verdict = isGood
    ? 'No law broke, so there is no history.'
    : histories.length === 1
      ? sentence(endOf(histories[0]!))
      : `${counted(histories.length, 'history', 'histories')} of what goes wrong`;
  const main = html`<header>
<p class="program">stillwarm</p>
<h1>${isGood ? 'No history' : heading}</h1>
${isGood ? '' : html`<p class="headline">The shortest way from the first state to one in which something is wrong, step by step.</p>`}
${renderVerdict(verdict, isGood)}
${histories.length < 2 ? '' : renderList(histories, names.length > 1)}
</header>
${lines(histories.map(renderHistory))}`;
  const title = isGood ? 'stillwarm: no history' : `stillwarm: ${heading}`;
  return renderFrame({ title, style: STYLE + STEP_STYLE, script: STEP_SCRIPT, main });
}

function renderList(histories: readonly History[], namesProtocols: boolean): Markup {
  const items = histories.map(
    (history, n) =>
      html`<li><a href="#h${n + 1}">${namesProtocols ? html`${printable(history.protocol)}: ` : ''}${faultsOf(history)} <small>${endOf(history)} · ${counted(history.steps.length, 'step')}</small></a></li>`,
  );
  return html`<nav aria-label="histories"><ul class="histories">
${lines(items)}
</ul></nav>`;
}

const faultsOf = ({ faults }: History): string =>
  faults.length === 0
    ? 'without a fault'
    : `with the ${faults.length === 1 ? 'fault' : 'faults'} ${faults.map(printable).join(', ')}`;

/** What is wrong with the last state. */
const endOf = ({ law, end }: History): string =>
  end !== undefined
    ? printable(end)
    : law === 'deadlock'
      ? 'a deadlock: no step is left'
      : `breaks the law “${printable(law)}”`;

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

function renderHistory(history: History, n: number): Markup {
  const id = `h${n + 1}`;
  const states = compareStates([history.initial, ...history.steps.map(({ state }) => state)]);
  const rows = history.steps.map(({ actor, step, isEvent }) => ({
    actor: isEvent ? undefined : printable(actor),
    label: printable(step),
  }));
  const chart = sequenceChart({
    id: `${id}-sequence`,
    title: `The steps of ${printable(history.protocol)}, ${faultsOf(history)}`,
    description: `${counted(rows.length, 'step')}, which the list of steps names. The last one: ${endOf(history)}.`,
    rows,
    end: `✗ ${endOf(history)}`,
  });
  const steps = rows.map(({ actor, label }, at) => {
    const name = actor === undefined ? label : `${actor}, ${label}`;
    return html`<li id="${id}-${at + 1}"><a href="#${id}-${at + 1}">${name}</a>${renderChanges(states, states.changes[at]!)}</li>`;
  });
  return html`<section class="history" id="${id}" aria-labelledby="${id}-name">
<h2 id="${id}-name">${sentence(faultsOf(history))}</h2>
<p class="breaks">${sentence(endOf(history))}, after ${counted(rows.length, 'step')}.</p>
<p class="replay">replay: <code>${printable(history.replay)}</code></p>
${renderBar(history)}
<div class="stage">
<div class="sequence" tabindex="0" role="region" aria-label="sequence of steps">
<figure>${new Markup(chart.svg)}</figure>
</div>
${renderState(states)}
</div>
<h3>What each step changes</h3>
<ol class="steps">
${lines(steps)}
</ol>
</section>`;
}

/** The buttons, and what is said of the step. The script shows them. */
function renderBar(history: History): Markup {
  const buttons = [
    ['first', '⇤', 'Home'],
    ['back', '←', '←'],
    ['forward', '→', '→'],
    ['last', '⇥', 'End'],
  ].map(
    ([to, sign, key]) =>
      html`<button type="button" data-to="${to!}"><span aria-hidden="true">${sign!}</span> ${to!} <kbd>${key!}</kbd></button>`,
  );
  return html`<div class="bar" hidden>
<div class="buttons" role="group" aria-label="steps">
${lines(buttons)}
<button type="button" class="only" aria-pressed="false">changes only <kbd>c</kbd></button>
</div>
<div class="said" role="status"><p class="now"></p><p class="law bad" hidden>${sentence(endOf(history))}.</p></div>
</div>`;
}

/** The first state. The script shows the others here, so each place of any state has its row. */
function renderState({ places, initial }: States): Markup {
  const bodies: { part: string; rows: Markup[] }[] = [];
  places.forEach(({ part, rest }, n) => {
    if (bodies.at(-1)?.part !== part) bodies.push({ part, rows: rest === '' ? [] : [renderHead(part)] });
    bodies
      .at(-1)!
      .rows.push(renderPlace(n, rest === '' ? part || 'state' : rest, rest === '' ? '' : 'inner', initial[n]));
  });
  return html`<div class="state begins">
<h3>The state <span class="when">at the beginning</span></h3>
<table>
<thead><tr><td class="sign"></td><th scope="col">place</th><th scope="col" class="before">before</th><th scope="col" class="after">value</th></tr></thead>
${lines(
  bodies.map(
    ({ rows }) => html`<tbody>
${lines(rows)}
</tbody>`,
  ),
)}
</table>
</div>`;
}

/** Over the places of a part that has no value of its own. */
const renderHead = (part: string): Markup =>
  html`<tr><td class="sign"></td><th scope="rowgroup" colspan="2">${part}</th><td class="before"></td></tr>`;

const renderPlace = (n: number, name: string, style: string, value: string | undefined): Markup =>
  html`<tr data-place="${n}"${value === undefined ? html` hidden` : ''}><td class="sign"></td><th scope="row" class="${style}">${name}</th><td class="value before"></td><td class="value">${value ?? NO_FIGURE}</td></tr>`;

function renderChanges({ places }: States, changes: readonly Change[]): Markup {
  if (changes.length === 0) return html`<p>Nothing changes.</p>`;
  const rows = changes.map(
    ({ place, before, after }) =>
      html`<tr data-place="${place}" data-kind="${kindOf(before, after)}"><td class="sign"></td><th scope="row">${pathOf(places[place]!)}</th><td class="value before">${before ?? NO_FIGURE}</td><td class="value">${after ?? NO_FIGURE}</td></tr>`,
  );
  return html`<table class="changes">
${lines(rows)}
</table>`;
}

const kindOf = (before: string | undefined, after: string | undefined): string =>
  before === undefined ? 'new' : after === undefined ? 'gone' : 'changed';

const pathOf = ({ part, rest }: Place): string =>
  rest === '' ? part || 'state' : rest.startsWith('[') ? part + rest : `${part}.${rest}`;

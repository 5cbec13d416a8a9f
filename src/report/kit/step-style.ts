/**
 * What a page of steps needs besides the style sheet of all pages: the sequence, the state beside
 * it, and the bar of buttons. What changed has a sign and bold letters, besides its colour.
 */
export const STEP_STYLE = `
main { max-width: 76rem; }
.sequence .chart { font-size: 20px; }
.sequence .chart .name { font-size: 1em; }
.lifeline { fill: none; stroke: var(--hue, var(--soft)); stroke-width: 1.5; stroke-dasharray: 5 4; opacity: .7; }
.walk { fill: none; stroke: var(--soft); stroke-width: 1.5; opacity: .8; }
.step .halo { font-weight: 400; }
.lifeline, .walk, .name { pointer-events: none; }
.frame { fill: transparent; stroke: none; }
.at > .frame { fill: var(--wash); stroke: var(--ink); stroke-width: 1.5; }
.at > .halo { stroke: var(--wash); }
.pointer { display: none; fill: var(--ink); }
.at > .pointer { display: inline; }
.event { fill: var(--wash); stroke: var(--ink); stroke-width: 1.5; }
.event-name { font-weight: 600; }
.broken { fill: var(--paper); stroke: var(--bad); stroke-width: 2; }
.chart .broken-law { fill: var(--bad); font-weight: 600; }
.live .sequence [data-step] { cursor: pointer; }
.histories { margin: 1.25rem 0 0; padding: 0; list-style: none; display: grid; gap: .25rem; }
.histories a { display: block; padding: .3rem .75rem; border-left: 4px solid var(--rule); text-decoration: none; overflow-wrap: anywhere; }
.histories a:hover { background: var(--wash); }
.histories a[aria-current] { border-left-color: var(--ink); background: var(--wash); font-weight: 600; }
.histories small { display: block; font-weight: 400; }
.history h2, .history h3, .law, .breaks { overflow-wrap: anywhere; }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
.breaks { margin: 0 0 .25rem; }
.replay { margin: 0; font-size: .9rem; color: var(--soft); overflow-wrap: anywhere; }
.replay code { user-select: all; color: var(--ink); }
code, .value { font-family: ui-monospace, monospace; font-size: .9em; }
.bar { position: sticky; top: 0; z-index: 1; margin: 1rem 0 0; padding: .5rem 0; background: var(--paper); border-bottom: 1px solid var(--rule); }
.bar:not([hidden]) { display: flex; gap: .25rem 1.25rem; align-items: start; }
.buttons { display: flex; flex: none; flex-wrap: wrap; gap: .4rem; }
.buttons button { padding: .3rem .7rem; font: inherit; font-size: .95rem; color: var(--ink); background: var(--wash); border: 1px solid var(--soft); border-radius: 4px; cursor: pointer; }
.buttons button[aria-disabled=true] { color: var(--soft); border-color: var(--rule); cursor: default; }
.buttons button[aria-pressed=true] { outline: 2px solid var(--ink); outline-offset: -2px; font-weight: 600; }
kbd { font: inherit; font-size: .8em; color: var(--soft); }
.said { flex: 1; min-width: 0; min-height: 3em; }
.said p { margin: 0; overflow-wrap: anywhere; }
.now { font-weight: 600; }
.law { font-weight: 600; }
.law::before { content: '✗ ' / ''; }
.stage { display: grid; grid-template-columns: minmax(0, 30rem) minmax(0, 1fr); gap: 0 2rem; align-items: start; margin-top: .75rem; }
.sequence figure { max-width: 30rem; }
.live .sequence { position: sticky; top: 5rem; max-height: calc(100vh - 5.5rem); overflow-y: auto; }
.state table, .changes { table-layout: fixed; font-size: .9rem; }
.state th, .state td, .changes th, .changes td { padding: .2rem .4rem; text-align: left; white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.state .sign, .changes .sign { width: 1.9rem; padding: .2rem 0 .2rem .4rem; }
.state thead th { font-weight: 600; }
.state thead .value { font: inherit; font-weight: 600; }
.state tbody:has(.inner) > :first-child > * { padding-top: .6rem; }
.state th.inner { padding-left: 1.4rem; }
.state th[scope=row]:not(.inner) { font-weight: 600; }
.state thead :nth-child(2), .changes th { width: 40%; }
tr[data-kind] > * { background: var(--wash); font-weight: 600; }
.sign { font-weight: 600; }
[data-kind=changed] .sign::before { content: '≠' / 'changed'; }
[data-kind=new] .sign::before { content: '+' / 'new'; }
[data-kind=gone] .sign::before { content: '−' / 'gone'; }
tr[data-kind] .before { font-weight: 400; }
.begins .before { display: none; }
.only-changes .state:not(.begins) tr[data-place]:not([data-kind]), .only-changes .state:not(.begins) tbody:not(:has([data-kind])) { display: none; }
.steps { padding: 0; list-style-position: inside; }
.steps > li { margin: 0 0 .75rem; padding: .25rem .5rem; border-left: 4px solid transparent; }
.steps > li:has([aria-current]) { border-left-color: var(--ink); background: var(--wash); }
.steps a { text-decoration: none; font-weight: 600; }
.steps a:hover { text-decoration: underline; }
.steps p { margin: 0 0 0 1.4rem; color: var(--soft); }
.changes { max-width: 52rem; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
@media (max-width: 860px) {
  .stage { grid-template-columns: minmax(0, 1fr); }
  .live .sequence { position: static; max-height: 45vh; }
  .bar:not([hidden]) { display: block; }
  .said { min-height: 4.6em; margin-top: .4rem; }
  kbd { display: none; }
  .state table, .changes { font-size: .82rem; }
  .buttons button { padding: .3rem .5rem; font-size: .85rem; }
}
@media print {
  .history[hidden] { display: block; }
  .bar:not([hidden]) { display: none; }
  .stage { display: block; }
  .live .sequence { position: static; max-height: none; overflow: visible; }
  .sequence .chart { max-height: none; }
  .history + .history { break-before: page; }
  tr[data-kind] > *, .event, .at > .frame { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;

/**
 * The style sheet of the pages: colours for light, dark and paper, and what keeps the charts
 * readable on a narrow screen. There letters grow in the units of the viewBox as the picture
 * shrinks. The rules of the charts come first: docs/pictures/cut.sh takes those alone.
 *
 * Colours are Okabe and Ito's, which stay apart for colour-blind readers. Whatever has a colour has
 * a label, a dash, a mark or a hatch, too.
 */

export const STYLE = `
:root {
  --paper: #fff; --ink: #1b1f24; --soft: #5b6470; --rule: #d9dde2; --wash: #f4f6f8; --good: #0a6b4d; --bad: #a8320a; --shade: #aab1ba;
  --grey: #5f6b7a; --orange: #a36100; --blue: #0072b2; --green: #008560; --pink: #a3447c; --violet: #6a51a3;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e8ebee; --soft: #a3adb8; --rule: #343b43; --wash: #1d2227; --good: #4cc79b; --bad: #ff9a6b; --shade: #59636f;
    --grey: #9aa6b4; --orange: #e69f00; --blue: #56b4e9; --green: #2cc295; --pink: #e08bb8; --violet: #b3a2e0;
  }
}
.chart { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; fill: var(--ink); }
.chart .name { font-size: 1.1em; font-weight: 600; fill: var(--hue, var(--ink)); }
.chart .tick, .chart .note, .chart .caption { fill: var(--soft); }
.chart .value { font-weight: 600; }
.chart .end { text-anchor: end; }
.chart .middle { text-anchor: middle; }
.chart .log { display: none; }
.mark-0 { --hue: var(--grey); --dash: none; }
.mark-1 { --hue: var(--orange); --dash: 9 4; }
.mark-2 { --hue: var(--blue); --dash: 3 3; }
.mark-3 { --hue: var(--green); --dash: 14 4 3 4; }
.mark-4 { --hue: var(--pink); --dash: 1.5 3; }
.mark-5 { --hue: var(--violet); --dash: 9 3 2 3 2 3; }
.strategy-cold, .strategy-shutdown-boot { --hue: var(--grey); }
.strategy-prefetch, .strategy-save-restore { --hue: var(--orange); }
.strategy-warm-cache { --hue: var(--blue); }
.strategy-warm-cache-metadata { --hue: var(--green); }
.strategy-rio, .strategy-live-migration { --hue: var(--pink); }
.strategy-rio-warm-cache, .strategy-warm-vm { --hue: var(--violet); }
.grid { stroke: var(--rule); fill: none; }
.axis { stroke: var(--soft); fill: none; }
.down { fill: url(#down); }
.hatch { stroke: var(--soft); stroke-width: 2; opacity: .55; }
.halo { stroke: var(--paper); stroke-width: 6; stroke-linejoin: round; paint-order: stroke; font-weight: 600; }
.begin { stroke: var(--ink); stroke-dasharray: 3 3; fill: none; }
.gap { stroke: var(--paper); stroke-width: 10; fill: none; }
.break { stroke: var(--soft); fill: none; }
.area { fill: var(--hue); opacity: .25; }
.line { fill: none; stroke: var(--hue); stroke-width: 1.6; }
.more { stroke: var(--ink); stroke-dasharray: 3 2; stroke-width: 1.2; }
.curve { fill: none; stroke: var(--hue); stroke-width: 1.8; stroke-dasharray: var(--dash); }
.place { fill: transparent; }
.bar-outline { fill: var(--hue, var(--soft)); fill-opacity: .2; stroke: var(--hue, var(--soft)); stroke-dasharray: 4 3; }
.bar-solid { fill: var(--hue, var(--soft)); }
.bar-pale { fill: var(--hue, var(--soft)); fill-opacity: .35; stroke: var(--hue, var(--soft)); }
.kept { fill: var(--hue, var(--soft)); fill-opacity: .35; stroke: var(--hue, var(--soft)); }
.lost { fill: url(#lost); stroke: var(--bad); stroke-width: 1.5; }
.loss { stroke: var(--bad); stroke-width: 2.5; }
.band { fill: var(--good); fill-opacity: .15; }
.range { stroke: var(--hue, var(--soft)); stroke-width: 3; opacity: .5; fill: none; }
.dot { fill: var(--hue, var(--ink)); }
.ring { fill: var(--paper); fill-opacity: 0; stroke: var(--hue, var(--ink)); stroke-width: 1.5; }
.silence { fill: var(--ink); }
.phase-0 { fill: var(--orange); background: var(--orange); }
.phase-1 { fill: var(--rule); background: var(--rule); stroke: var(--soft); }
.phase-2 { fill: var(--soft); background: var(--soft); }
.phase-3 { fill: var(--violet); background: var(--violet); }
.phase-4 { fill: var(--green); background: var(--green); }
.phase-5 { fill: var(--pink); background: var(--pink); }
/* the page */
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
.program { margin: 0; color: var(--soft); font-weight: 600; letter-spacing: .04em; }
h1 { margin: 0 0 .75rem; font-size: clamp(1.5rem, 5vw, 2.2rem); line-height: 1.2; text-wrap: balance; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.25rem; line-height: 1.3; }
.headline { font-size: 1.15rem; margin: 0 0 1rem; max-width: 44rem; }
.verdict { margin: 0; padding: .5rem .75rem; background: var(--wash); border-left: 4px solid currentColor; font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); }
details { margin: .5rem 0; padding: 0 .75rem; overflow-wrap: anywhere; }
summary { cursor: pointer; }
figure { margin: 0 0 .5rem; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem 2rem; }
.beside .chart { font-size: 20px; }
.beside .chart .name { font-size: 1em; }
.dim { opacity: .13; }
.key.dim { opacity: .5; }
.hit.at { stroke: var(--ink); stroke-width: 2; stroke-dasharray: none; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0 0 .75rem; color: var(--soft); font-size: .9rem; }
.legend i { display: inline-block; width: 1.6em; height: .8em; margin-right: .45em; border: 0 solid var(--soft); }
.key { white-space: nowrap; }
.key[role=button] { cursor: pointer; border-radius: 3px; }
.key[aria-pressed=true] { color: var(--ink); font-weight: 600; outline: 2px solid var(--hue); outline-offset: 2px; }
.swatch { width: 2.1em; height: .9em; margin-right: .4em; vertical-align: -.08em; }
.key-line { border-top-width: 2px !important; background: color-mix(in srgb, var(--soft) 25%, transparent); }
.key-more { height: 0 !important; border-top: 1.5px dashed var(--ink) !important; vertical-align: .3em; }
.key-down { background: repeating-linear-gradient(45deg, var(--soft) 0 1.5px, transparent 1.5px 5px); }
.key-begin { border-left: 1.5px dashed var(--ink) !important; width: .4em !important; height: 1em !important; vertical-align: -.15em; }
.key-outline { border: 1px dashed var(--soft) !important; background: color-mix(in srgb, var(--soft) 20%, transparent); }
.key-solid { background: var(--soft); }
.key-pale, .key-kept { border: 1px solid var(--soft) !important; background: color-mix(in srgb, var(--soft) 35%, transparent); }
.key-lost { border: 1.5px solid var(--bad) !important; background: repeating-linear-gradient(45deg, var(--bad) 0 2px, transparent 2px 5px); }
.key-silence { height: .35em !important; background: var(--ink); vertical-align: .2em; }
.key-ring { width: .8em !important; border: 1.5px solid var(--soft) !important; border-radius: 50%; }
.key-range { height: .25em !important; background: color-mix(in srgb, var(--soft) 50%, transparent); vertical-align: .25em; }
.key-band { background: color-mix(in srgb, var(--good) 15%, transparent); }
.scale { margin: 0 0 .5rem; padding: .1rem .6rem; font: inherit; font-size: .85rem; color: var(--soft); background: var(--wash); border: 1px solid var(--rule); border-radius: 4px; cursor: pointer; }
.scale[aria-pressed=true] { color: var(--ink); border-color: var(--ink); }
.readout { min-height: 1.5em; margin: .25rem 0 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
.legend-note { margin: -.25rem 0 .75rem; color: var(--soft); font-size: .9rem; }
/* a shadow at each end behind which there is more: the paper of the table itself covers it at the last one */
.scroll {
  overflow-x: auto;
  background:
    linear-gradient(to right, var(--paper) 40%, transparent) 0 0 / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--paper) 40%, transparent) 100% 0 / 3rem 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) 0 0 / 1.1rem 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) 100% 0 / 1.1rem 100% no-repeat scroll;
}
a { color: inherit; }
cite { font-style: italic; }
caption { padding: 1.1rem 0 .3rem; text-align: left; font-weight: 600; }
figcaption { margin: 1rem 0 .3rem; font-weight: 600; }
small { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .95rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--rule); }
thead th { vertical-align: bottom; white-space: pre-line; }
td { vertical-align: top; }
th[scope=row], th[scope=rowgroup] { text-align: left; font-weight: 400; }
th[scope=rowgroup] { padding-top: 1.1rem; font-weight: 600; }
th[scope=row].below { padding-left: 1.75rem; }
td { white-space: nowrap; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .5rem 1.5rem; margin: 0; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
[data-scale=log] .chart .log { display: inline; }
[data-scale=log] .chart .linear { display: none; }
@media (max-width: 640px) {
  .chart { font-size: 20px; }
  .chart .name { font-size: 1em; }
  table { font-size: .82rem; }
  th, td { padding: .3rem .3rem; }
}
@media print {
  :root { --ink: #000; --soft: #333; --paper: #fff; }
  main { max-width: none; padding: 0; }
  h1, h2, h3, .legend, .legend-note, .headline, figcaption, caption, thead, dt { break-after: avoid; }
  figure, .together, tbody, tr, li, dl > div, .verdict, .headline { break-inside: avoid; }
  h2 { margin-top: 1.5rem; }
  p, li { orphans: 3; widows: 3; }
  .scroll { overflow: visible; background: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .scale, .readout { display: none; }
  .chart { max-height: 15cm; }
  .area, [class^=bar], .kept, .lost, .silence, .band, [class^=phase], .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;

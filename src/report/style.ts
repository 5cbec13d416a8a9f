/**
 * The style sheet of the HTML report: colours for light, dark and paper, and what keeps the charts
 * readable on a narrow screen. There letters grow in the units of the viewBox as the picture
 * shrinks.
 */

export const STYLE = `
:root {
  --paper: #fff; --ink: #1b1f24; --soft: #5b6470; --rule: #d9dde2; --wash: #f4f6f8; --good: #0a6b4d; --bad: #a8320a;
  --cold: #5f6b7a; --prefetch: #c77700; --warm-cache: #0072b2; --warm-cache-metadata: #008560;
  --rio: #a3447c; --rio-warm-cache: #6a51a3; --warm-vm: #6a51a3; --save-restore: #c77700;
  --shutdown-boot: #5f6b7a; --live-migration: #a3447c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e8ebee; --soft: #a3adb8; --rule: #343b43; --wash: #1d2227; --good: #4cc79b; --bad: #ff9a6b;
    --cold: #9aa6b4; --prefetch: #e69f00; --warm-cache: #56b4e9; --warm-cache-metadata: #2cc295;
    --rio: #e08bb8; --rio-warm-cache: #b3a2e0; --warm-vm: #b3a2e0; --save-restore: #e69f00;
    --shutdown-boot: #9aa6b4; --live-migration: #e08bb8;
  }
}
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
figure { margin: 0; }
.chart { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; fill: var(--ink); }
.chart .name { font-size: 1.1em; font-weight: 600; fill: var(--hue); }
.chart .tick, .chart .note { fill: var(--soft); }
.chart .value { font-weight: 600; }
.chart .end { text-anchor: end; }
.chart .middle { text-anchor: middle; }
.grid { stroke: var(--rule); fill: none; }
.axis { stroke: var(--soft); fill: none; }
.down { fill: url(#down); }
.hatch { stroke: var(--soft); stroke-width: 2; opacity: .55; }
.begin { stroke: var(--ink); stroke-dasharray: 3 3; fill: none; }
.area { fill: var(--hue); opacity: .25; }
.line { fill: none; stroke: var(--hue); stroke-width: 1.6; }
.bar-before { fill: var(--hue); fill-opacity: .2; stroke: var(--hue); stroke-dasharray: 4 3; }
.bar-first { fill: var(--hue); }
.bar-second { fill: var(--hue); fill-opacity: .35; stroke: var(--hue); }
.strategy-cold { --hue: var(--cold); }
.strategy-prefetch { --hue: var(--prefetch); }
.strategy-warm-cache { --hue: var(--warm-cache); }
.strategy-warm-cache-metadata { --hue: var(--warm-cache-metadata); }
.strategy-rio { --hue: var(--rio); }
.strategy-rio-warm-cache { --hue: var(--rio-warm-cache); }
.strategy-warm-vm { --hue: var(--warm-vm); }
.strategy-save-restore { --hue: var(--save-restore); }
.strategy-shutdown-boot { --hue: var(--shutdown-boot); }
.strategy-live-migration { --hue: var(--live-migration); }
.dot { fill: var(--hue); }
.ring { fill: none; stroke: var(--hue); stroke-width: 1.5; }
.silence { fill: var(--ink); }
.phase-stop { fill: var(--save-restore); background: var(--save-restore); }
.phase-dom0 { fill: var(--rule); background: var(--rule); }
.phase-reset { fill: var(--soft); background: var(--soft); }
.phase-start { fill: var(--warm-vm); background: var(--warm-vm); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0 0 .75rem; color: var(--soft); font-size: .9rem; }
.legend i { display: inline-block; width: 1.6em; height: .8em; margin-right: .45em; border: 0 solid var(--soft); }
.key-line { border-top-width: 2px !important; background: color-mix(in srgb, var(--soft) 25%, transparent); }
.key-down { background: repeating-linear-gradient(45deg, var(--soft) 0 1.5px, transparent 1.5px 5px); }
.key-begin { border-left: 1.5px dashed var(--ink) !important; width: .4em !important; height: 1em !important; vertical-align: -.15em; }
.key-before { border: 1px dashed var(--soft) !important; background: color-mix(in srgb, var(--soft) 20%, transparent); }
.key-first { background: var(--soft); }
.key-second { border: 1px solid var(--soft) !important; background: color-mix(in srgb, var(--soft) 35%, transparent); }
.key-silence { height: .35em !important; background: var(--ink); vertical-align: .2em; }
.key-ring { width: .8em !important; border: 1.5px solid var(--soft) !important; border-radius: 50%; }
.scroll { overflow-x: auto; }
caption { padding: 1.1rem 0 .3rem; text-align: left; font-weight: 600; }
figcaption { margin: 1rem 0 .3rem; font-weight: 600; }
small { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .95rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--rule); }
thead th { vertical-align: bottom; white-space: pre-line; }
td { vertical-align: top; }
th[scope=row], th[scope=rowgroup] { text-align: left; font-weight: 400; }
th[scope=rowgroup] { padding-top: 1.1rem; font-weight: 600; }
td { white-space: nowrap; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .5rem 1.5rem; margin: 0; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .chart { font-size: 20px; }
  .chart .name { font-size: 1em; }
  table { font-size: .82rem; }
  th, td { padding: .3rem .3rem; }
}
@media print {
  main { max-width: none; padding: 0; }
  section { break-inside: avoid; }
  .scroll { overflow: visible; }
  .area, .bar-first, .bar-second, .bar-before, .silence, [class^=phase], .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;

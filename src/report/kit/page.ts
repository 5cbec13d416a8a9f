/**
 * What the HTML pages of all results have in common: their parts and the order of these, the style
 * sheet and the script. Their content policy lets nothing be loaded and no other script run.
 */

import { createHash } from 'node:crypto';
import { html, lines, Markup } from './markup.ts';
import { SCRIPT } from './script.ts';
import { renderSources } from './sources.ts';
import { STYLE } from './style.ts';

/** What every page is made of, whatever it shows. */
export interface Frame {
  /** Of the window. */
  readonly title: string;
  readonly style: string;
  /** The only one that the page's content policy lets run. */
  readonly script: string;
  readonly main: Markup;
}

export interface Page {
  /** Of the window. */
  readonly title: string;
  readonly heading: string;
  /** Who wins, by what, and why. */
  readonly sentence: string;
  /** What was compared with the disk. */
  readonly verdict: { readonly line: string; readonly isGood: boolean };
  /** What is said of what differs. */
  readonly details: Markup | '';
  /** `section` makes them. */
  readonly sections: readonly (Markup | '')[];
  /** What was run, as pairs of a parameter and its value. */
  readonly run: readonly (readonly [name: string, value: string])[];
  /** The profile of the machine, and its costs that were fitted to the paper. */
  readonly costs: { readonly profile: string; readonly fitted: readonly string[] };
}

/** A whole page, which ends with what was run, where its times come from, and the sources. */
export function renderPage({ title, heading, sentence, verdict, details, sections, run, costs }: Page): string {
  const { line, isGood } = verdict;
  const main = html`<header>
<p class="program">stillwarm</p>
<h1>${heading}</h1>
<p class="headline">${sentence}</p>
${renderVerdict(line, isGood)}
${details}
</header>
${lines(sections)}
${section('What was run', [renderRun(run), html`<p>The same files, options and seed give the same digest, byte for byte.</p>`])}
${section('Where the times come from', [renderFitted(costs)])}
${section('Sources', [renderSources()])}`;
  return renderFrame({ title, style: STYLE, script: SCRIPT, main });
}

/** A whole page, which loads nothing, and whose content policy says so. */
export function renderFrame({ title, style, script, main }: Frame): string {
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  // No part of the template below: compilers rewrite a tagged template that ends a script.
  const element = new Markup(`<script>${script}</script>`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
${main}
</main>
${element}
</body>
</html>
`.text;
}

/** The line that says whether all is well, by a sign and a colour. */
export function renderVerdict(line: string, isGood: boolean): Markup {
  return html`<p class="verdict ${isGood ? 'good' : 'bad'}"><b aria-hidden="true">${isGood ? '✓' : '✗'}</b> ${line}</p>`;
}

/**
 * A part of a page under a heading. On paper the heading stays with the first of the parts.
 * @param note said below the heading
 */
export function section(heading: string, [first, ...rest]: readonly Markup[], note?: string): Markup {
  return html`<section>
<div class="together">
<h2>${heading}</h2>
${note === undefined || note === '' ? '' : html`<p class="legend-note">${note}</p>`}
${first ?? ''}
</div>
${lines(rest)}
</section>`;
}

function renderRun(run: Page['run']): Markup {
  return html`<dl>
${lines(run.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`))}
</dl>`;
}

function renderFitted({ profile, fitted }: Page['costs']): Markup {
  const where = `The costs of the profile ${profile} have their sources in the reference of profiles.`;
  if (fitted.length === 0) return html`<p>${where} None of those used here was fitted to the paper.</p>`;
  return html`<p>${where} These were fitted to the paper’s figures; agreement in what depends on them proves nothing:</p>
<ul>
${lines(fitted.map((name) => html`<li>${name}</li>`))}
</ul>`;
}

/**
 * What the HTML pages of all results have in common: the style sheet and the script. Their content
 * policy lets nothing be loaded and no other script run.
 */

import { createHash } from 'node:crypto';
import { html, lines, Markup } from './markup.ts';
import { SCRIPT } from './script.ts';
import { renderSources } from './sources.ts';
import { STYLE } from './style.ts';

const SCRIPT_HASH = createHash('sha256').update(SCRIPT).digest('base64');
/** No part of the template below: compilers rewrite a tagged template that ends a script. */
const SCRIPT_ELEMENT = new Markup(`<script>${SCRIPT}</script>`);
const POLICY = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${SCRIPT_HASH}'`;

/**
 * A whole page.
 * @param title plain text
 * @param main what is in it
 */
export function renderPage(title: string, main: Markup): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
${main}
${renderSources()}
</main>
${SCRIPT_ELEMENT}
</body>
</html>
`.text;
}

/** The costs that were fitted to the paper. */
export function renderFitted({ profile, fitted }: { profile: string; fitted: readonly string[] }): Markup {
  const where = `The costs of the profile ${profile} have their sources in the reference of profiles.`;
  if (fitted.length === 0) return html`<p>${where} None of those used here was fitted to the paper.</p>`;
  return html`<p>${where} These were fitted to the paper’s figures; agreement in what depends on them proves nothing:</p>
<ul>
${lines(fitted.map((name) => html`<li>${name}</li>`))}
</ul>`;
}

/**
 * What the HTML pages of all results have in common: a head with a content policy that lets nothing
 * be loaded, the style sheet.
 */

import { html, lines, Markup } from './markup.ts';
import { STYLE } from './style.ts';

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
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
${main}
</main>
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

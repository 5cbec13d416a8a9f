/** What the HTML pages of all results have in common: a head with a content policy that lets nothing be loaded, the style sheet. */

import { STYLE } from './style.ts';
import { escapeMarkup as e } from './svg.ts';

/**
 * A whole page.
 * @param title plain text
 * @param main what is in it, as HTML
 */
export function renderPage(title: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${e(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;
}

/** What of the costs was fitted. */
export function renderFitted({ profile, fitted }: { profile: string; fitted: readonly string[] }): string {
  const where = `The costs of the profile ${e(profile)} have their sources in the reference of profiles.`;
  if (fitted.length === 0) return `<p>${where} None of those used here was fitted to the paper.</p>`;
  const items = fitted.map((name) => `<li>${e(name)}</li>`).join('\n');
  return `<p>${where} These were fitted to the paper’s figures; agreement in what depends on them proves nothing:</p>
<ul>
${items}
</ul>`;
}

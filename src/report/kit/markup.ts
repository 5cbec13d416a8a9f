/** HTML by a template that escapes: what is put into it is text, unless it is markup already. */

/** Text in which markup means what it says. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | readonly Part[];

/**
 * Markup from a template. Parts that are text are escaped, and lists of parts stand one behind the
 * other.
 */
export function html(template: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(template.map((literal, n) => `${literal}${n < parts.length ? textOf(parts[n]!) : ''}`).join(''));
}

/** Parts, a line each. */
export const lines = (parts: readonly Part[]): Markup => new Markup(parts.map(textOf).join('\n'));

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text;
  return typeof part === 'object' ? part.map(textOf).join('') : escapeMarkup(`${part}`);
}

/** The text with everything that means something to HTML or SVG made harmless. */
export function escapeMarkup(value: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return value.replace(/[&<>"']/g, (character) => entities[character]!);
}

/** A text in which what stands between backticks is code. */
export const withCode = (text: string): Markup =>
  html`${text.split('`').map((part, n) => (n % 2 === 1 ? html`<code>${part}</code>` : part))}`;

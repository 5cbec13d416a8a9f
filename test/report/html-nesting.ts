const VOID = new Set(['br', 'circle', 'meta', 'path', 'rect', 'wbr']);

/**
 * Throws when a tag of an HTML page is not closed in its order. Style, script and text are skipped.
 */
export function checkNesting(html: string): void {
  const open: string[] = [];
  for (const [, slash, name] of html
    .replace(/<style>[^]*?<\/style>|<script>[^]*?<\/script>|<!doctype html>/g, '')
    .matchAll(/<(\/?)([a-z][a-z0-9]*)/gi)) {
    if (VOID.has(name!)) continue;
    if (slash === '') open.push(name!);
    else if (open.pop() !== name) throw new Error(`</${name!}> closes something else`);
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(' ')}`);
}

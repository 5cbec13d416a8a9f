/**
 * The script of a page. It changes classes and attributes alone, and sends no request. A page
 * without it says the same: every figure is in the tables, and the browser itself shows titles.
 *
 * 1. The button, and the key l, switch all charts between a linear and a logarithmic scale.
 * 2. A click on a series in a legend, or Enter, dims the others in all charts. Again, or Escape,
 *    shows all.
 * 3. What a reader points at, or reaches by the arrow keys in a chart, is said below the chart.
 */
export const SCRIPT = `
(() => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const buttons = all('button.scale');
  const seriesKeys = all('.key[data-series]');
  let only = '';
  const turn = () => {
    const isLog = buttons[0]?.getAttribute('aria-pressed') !== 'true';
    for (const button of buttons) button.setAttribute('aria-pressed', String(isLog));
    for (const figure of all('figure[data-scale]')) figure.dataset.scale = isLog ? 'log' : 'linear';
  };
  const isolate = (name) => {
    only = only === name ? '' : name;
    for (const key of seriesKeys) key.setAttribute('aria-pressed', String(key.dataset.series === only));
    for (const part of all('[data-series]')) part.classList.toggle('dim', only !== '' && part.dataset.series !== only);
  };
  const say = (hit) => {
    for (const other of all('.at')) other.classList.remove('at');
    hit.classList.add('at');
    hit.closest('figure').querySelector('.readout').textContent = hit.querySelector('title').textContent;
  };
  const step = (chart, by) => {
    const hits = all('.hit', chart).filter((hit) => hit.getClientRects().length > 0 && !hit.closest('.dim'));
    const at = hits.findIndex((hit) => hit.classList.contains('at'));
    const next = hits[at < 0 ? (by > 0 ? 0 : hits.length - 1) : (at + by + hits.length) % hits.length];
    if (next) say(next);
  };
  for (const shown of all('button.scale, .readout')) shown.hidden = false;
  for (const button of buttons) button.addEventListener('click', turn);
  for (const key of seriesKeys) {
    for (const [name, value] of [['role', 'button'], ['tabindex', '0'], ['aria-pressed', 'false']]) key.setAttribute(name, value);
    key.addEventListener('click', () => isolate(key.dataset.series));
    key.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      isolate(key.dataset.series);
    });
  }
  for (const chart of all('figure svg.chart')) {
    chart.setAttribute('tabindex', '0');
    chart.addEventListener('pointerover', ({ target }) => {
      const hit = target.closest('.hit');
      if (hit) say(hit);
    });
    chart.addEventListener('keydown', (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      step(chart, by);
    });
  }
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'l' || event.key === 'L') turn();
    if (event.key === 'Escape' && only !== '') isolate(only);
  });
})();
`;

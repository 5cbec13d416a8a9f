/**
 * The script of a page of steps. It fills in only what the page has already: a place has the value
 * that the list of steps gave it last. It sends no request.
 *
 * 1. One history is shown. The list at the top, and the end of the address, choose it.
 * 2. The arrow keys and the buttons go a step forward or back, Home and End to the first and last.
 * 3. A click on a step, in the picture or in the list, goes there. The address follows.
 * 4. The table shows the state before and after the step, and marks what differs.
 * 5. The key c, and its button, hide what does not differ.
 */
export const STEP_SCRIPT = `
(() => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const one = (what, where) => where.querySelector(what);
  const links = all('.histories a');
  const missing = '—';
  const histories = all('section.history').map((section) => {
    const rows = all('.state tr[data-place]', section);
    return {
      section,
      rows,
      initial: rows.map((row) => (row.hidden ? undefined : row.cells[3].textContent)),
      steps: all('.steps > li', section).map((item) => ({
        item,
        name: one('a', item).textContent,
        changes: all('tr', item).map((row) => [
          Number(row.dataset.place),
          row.dataset.kind === 'gone' ? undefined : row.cells[3].textContent,
        ]),
      })),
      at: 0,
    };
  });
  let shown = histories[0];
  if (!shown) return;
  const said = (text) => (text.length > 100 ? text.slice(0, 99) + '…' : text);
  const stateAt = ({ initial, steps }, at) => {
    const values = [...initial];
    for (const { changes } of steps.slice(0, at)) for (const [place, value] of changes) values[place] = value;
    return values;
  };
  const kindOf = (before, after) =>
    before === after ? '' : before === undefined ? 'new' : after === undefined ? 'gone' : 'changed';
  const fill = (history) => {
    const { section, rows, steps, at } = history;
    const after = stateAt(history, at);
    const before = at === 0 ? after : stateAt(history, at - 1);
    rows.forEach((row, n) => {
      row.hidden = before[n] === undefined && after[n] === undefined;
      row.cells[2].textContent = before[n] ?? missing;
      row.cells[3].textContent = after[n] ?? missing;
      const kind = kindOf(before[n], after[n]);
      if (kind === '') delete row.dataset.kind;
      else row.dataset.kind = kind;
    });
    for (const part of all('.state tbody', section)) part.hidden = !one('tr[data-place]:not([hidden])', part);
    one('.state', section).classList.toggle('begins', at === 0);
    one('.state .after', section).textContent = at === 0 ? 'value' : 'after';
    one('.when', section).textContent = at === 0 ? 'at the beginning' : 'before and after step ' + at;
    for (const part of all('svg [data-step]', section)) part.classList.toggle('at', Number(part.dataset.step) === at);
    steps.forEach(({ item }, n) => {
      if (n + 1 === at) one('a', item).setAttribute('aria-current', 'step');
      else one('a', item).removeAttribute('aria-current');
    });
    const count = at === 0 ? 0 : steps[at - 1].changes.length;
    one('.now', section).textContent =
      at === 0
        ? 'The beginning of ' + steps.length + (steps.length === 1 ? ' step' : ' steps')
        : 'Step ' + at + ' of ' + steps.length + ': ' + said(steps[at - 1].name) + '. ' +
          (count === 0 ? 'Nothing changes.' : count === 1 ? '1 place changes.' : count + ' places change.');
    one('.law', section).hidden = at < steps.length;
    for (const button of all('button[data-to]', section))
      button.setAttribute('aria-disabled', String(targetOf(button.dataset.to) === at));
    const view = one('.sequence', section);
    const row = one('[data-step="' + at + '"] .frame', view)?.getBoundingClientRect();
    const box = view.getBoundingClientRect();
    if (row && row.top < box.top) view.scrollTop -= box.top - row.top + 8;
    if (row && row.bottom > box.bottom) view.scrollTop += row.bottom - box.bottom + 8;
  };
  const targetOf = (to) => {
    const { at, steps } = shown;
    const target = { first: 0, back: at - 1, forward: at + 1, last: steps.length }[to];
    return Math.max(0, Math.min(steps.length, target));
  };
  const show = (history, at) => {
    shown = history;
    history.at = Math.max(0, Math.min(history.steps.length, at));
    for (const each of histories) each.section.hidden = each !== history;
    links.forEach((link, n) => {
      if (histories[n] === history) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    });
    fill(history);
  };
  const go = (history, at) => {
    show(history, at);
    window.history.replaceState(null, '', '#' + history.section.id + '-' + history.at);
  };
  const turn = () => {
    const hides = document.body.classList.toggle('only-changes');
    for (const button of all('button.only')) button.setAttribute('aria-pressed', String(hides));
  };
  const fromAddress = () => {
    const [id, at] = location.hash.slice(1).split('-');
    const history = histories.find(({ section }) => section.id === id);
    if (history) show(history, Number(at ?? history.at) || 0);
    return history !== undefined;
  };
  document.documentElement.classList.add('live');
  for (const bar of all('.bar')) bar.hidden = false;
  for (const history of histories) fill(history);
  if (!fromAddress()) show(shown, 0);
  addEventListener('hashchange', fromAddress);
  document.addEventListener('click', (event) => {
    const { target } = event;
    const button = target.closest('button[data-to]');
    if (button) go(shown, targetOf(button.dataset.to));
    if (target.closest('button.only')) turn();
    const step = target.closest('svg [data-step]');
    if (step) go(shown, Number(step.dataset.step));
    const link = target.closest('a');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const [id, at] = link.hash.slice(1).split('-');
    const history = histories.find(({ section }) => section.id === id);
    if (!history) return;
    event.preventDefault();
    go(history, at === undefined ? history.at : Number(at));
  });
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const to = { ArrowRight: 'forward', ArrowLeft: 'back', Home: 'first', End: 'last' }[event.key];
    if (event.key === 'c' || event.key === 'C') turn();
    if (!to) return;
    event.preventDefault();
    go(shown, targetOf(to));
  });
})();
`;

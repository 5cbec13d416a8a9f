// What is wrong with a page as a browser has laid it out. The function runs in the page.

/**
 * Texts that are cut off, that lie on each other, or that are hard to read; and a page too wide.
 */
export const PROBLEMS = `(() => {
  const problems = [];
  // The second is for what a closed <details> holds.
  const isShown = (element) => element.getClientRects().length > 0 && element.checkVisibility();
  // What a box that scrolls does not show now covers nothing.
  const seen = (element, rects) => {
    const boxes = [];
    for (let box = element; box !== null; box = box.parentElement)
      if (getComputedStyle(box).overflowY === 'auto' && box.scrollHeight > box.clientHeight) boxes.push(box.getBoundingClientRect());
    return rects.filter(({ top, bottom }) => boxes.every((box) => top >= box.top - 1 && bottom <= box.bottom + 1));
  };
  const nameOf = ({ text }) => JSON.stringify(text.slice(0, 40));
  if (document.documentElement.scrollWidth > innerWidth) problems.push('the page is ' + document.documentElement.scrollWidth + ' wide');

  const texts = [];
  for (const text of document.querySelectorAll('svg.chart text')) {
    if (!isShown(text)) continue;
    const rect = text.getBoundingClientRect();
    const chart = text.closest('svg').getBoundingClientRect();
    const one = { text: text.textContent, element: text, rects: seen(text, [rect]), color: getComputedStyle(text).fill };
    texts.push(one);
    if (rect.left < chart.left - 1 || rect.right > chart.right + 1 || rect.top < chart.top - 1 || rect.bottom > chart.bottom + 1)
      problems.push(nameOf(one) + ' is cut off by its chart');
  }
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.textContent.trim() === '' || element.closest('svg') !== null || !isShown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = seen(element, [...range.getClientRects()]);
    if (rects.length === 0) continue;
    const one = { text: node.textContent.trim(), element, rects, color: getComputedStyle(element).color };
    texts.push(one);
    const scrolls = element.closest('.scroll') !== null;
    for (const { left, right } of rects)
      if (left < -1 || (right > innerWidth + 1 && !scrolls)) problems.push(nameOf(one) + ' leaves the page');
    for (let box = element; box.tagName !== 'MAIN'; box = box.parentElement)
      if (getComputedStyle(box).overflowX === 'hidden' && box.scrollWidth > box.clientWidth + 1) problems.push(nameOf(one) + ' is cut off');
  }

  const rects = texts.flatMap((one) => one.rects.map((rect) => ({ one, rect }))).sort((a, b) => a.rect.top - b.rect.top);
  rects.forEach(({ one, rect }, n) => {
    for (let other = n + 1; other < rects.length && rects[other].rect.top < rect.bottom - 2; other++) {
      const next = rects[other];
      if (next.one === one) continue;
      const width = Math.min(rect.right, next.rect.right) - Math.max(rect.left, next.rect.left);
      const height = Math.min(rect.bottom, next.rect.bottom) - next.rect.top;
      // Lines of a paragraph, and letters of two heights in one line, may touch.
      if (width > 1 && height > 3) problems.push(nameOf(one) + ' lies on ' + nameOf(next.one));
    }
  });

  const channels = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const light = (color) => channels(color).reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  for (const one of texts) {
    const ink = light(one.color);
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) problems.push(nameOf(one) + ' has a contrast of ' + contrast.toFixed(2));
  }
  if (texts.length < 20) problems.push('there are ' + texts.length + ' texts');
  return [...new Set(problems)];
})()`;

// What Chromium has printed, read from the PDF: the sizes of the letters on each page.
import { inflateSync } from 'node:zlib';

/** The sizes of the letters of each page, px, a figure a run of text, in the order of the text. */
export function sizesByPage(pdf: Buffer): number[][] {
  const text = pdf.toString('latin1');
  const objects = new Map([...text.matchAll(/(\d+) 0 obj\n([^]*?)\nendobj/g)].map(([, n, body]) => [n!, body!]));
  return [...objects.values()]
    .filter((body) => /\/Type \/Page\b/.test(body))
    .map((page) => {
      const contents = objects.get(/\/Contents (\d+) 0 R/.exec(page)![1]!)!;
      const packed = contents.slice(contents.indexOf('stream\n') + 7, contents.lastIndexOf('\nendstream'));
      const drawn = inflateSync(Buffer.from(packed, 'latin1')).toString('latin1');
      return [...drawn.matchAll(/\/F\d+ ([\d.]+) Tf/g)].map(([, size]) => Number(size));
    });
}

/** What the model and its figures go back to. */

import { html, lines, type Markup } from './markup.ts';

interface Source {
  readonly authors: string;
  readonly title: string;
  readonly where: string;
  /** Where it is found. */
  readonly link?: string;
}

const SOURCES: readonly Source[] = [
  {
    authors: 'K. Kourai, S. Chiba',
    title:
      '仮想計算機を用いたサーバ統合における高速なリブートリカバリ (Fast reboot recovery in server consolidation using virtual machines)',
    where: 'slides, 2006. The slides’ figures are from here.',
  },
  {
    authors: 'K. Kourai, S. Chiba',
    title: 'A Fast Rejuvenation Technique for Server Consolidation with Virtual Machines',
    where: 'DSN 2007 (RootHammer)',
    link: 'https://doi.org/10.1109/DSN.2007.6',
  },
  {
    authors: 'K. Kourai',
    title: 'CacheMind: Fast Performance Recovery Using a Virtual Machine Monitor',
    where: 'DSN-W 2010',
  },
  {
    authors: 'K. Kourai',
    title: 'Fast and correct performance recovery of operating systems using a virtual machine monitor',
    where: 'VEE 2011',
  },
  { authors: 'The Linux kernel', title: 'Linux 2.6.12.6', where: '2005', link: 'https://www.kernel.org/' },
  { authors: 'The Xen project', title: 'Xen 3.0.0', where: '2005', link: 'https://xenproject.org/' },
];

/** The list of sources, with a link where one is stable. Following a link is the reader's act. */
export function renderSources(): Markup {
  const each = SOURCES.map(({ authors, title, where, link }) => {
    const name =
      link === undefined
        ? html`<cite>${title}</cite>`
        : html`<a href="${link}" rel="noreferrer"><cite>${title}</cite></a>`;
    return html`<li>${authors}: ${name}, ${where}</li>`;
  });
  return html`<ul>
${lines(each)}
</ul>`;
}

/** Results for readers: plain text for a terminal, one HTML page for everyone else. */
export * from './html.ts';
export { NO_FIGURE, significant } from './kit/figures.ts';
export * from './tables.ts';
export * from './vmm-html.ts';
export * from './vmm-text.ts';
export * from './web-html.ts';
export * from './web-text.ts';
export * from './predict-html.ts';
export * from './predict-text.ts';
export * from './paper-html.ts';
export * from './paper-text.ts';
export * from './protocol-html.ts';

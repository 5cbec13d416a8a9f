/** Figures as text: three significant digits, and a sign where there is none. */

/** What is printed where there is no figure. */
export const NO_FIGURE = '—';

/** Made once each: the host takes long to make one. By the digits behind the point. */
const formats = new Map<number, Intl.NumberFormat>();

function formatOf(digits: number): Intl.NumberFormat {
  let format = formats.get(digits);
  if (format === undefined) {
    format = new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format;
}

/**
 * Three significant digits, but never fewer than the integer part has, and no exponent: 0.0123,
 * 4.50, 45.7, 1,234. Less than zero has a minus sign, which is as wide as a digit: −4.50.
 */
export function significant(value: number): string {
  const digits = value === 0 ? 0 : Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return formatOf(digits).format(value).replace('-', '−');
}

/** The figure of an axis, with every digit that it needs. */
export function tickLabel(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 9 }).replace('-', '−');
}

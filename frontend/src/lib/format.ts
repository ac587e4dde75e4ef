import type { components } from './api/generated/api';

export type Money = components['schemas']['Money'];

const LOCALE = 'en-IE';

/**
 * Currencies whose minor unit is not a hundredth (ISO 4217), by decimal places; the same as in
 * kernel's money.rs.
 */
export const DECIMAL_PLACES: Record<number, readonly string[]> = {
  0: [
    'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF',
  ],
  3: ['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'],
  4: ['CLF', 'UYW'],
};

/**
 * Number of decimal places of a currency. Not taken from `Intl`, since browsers differ from ISO
 * 4217.
 */
function digits(currency: string): number {
  const found = Object.entries(DECIMAL_PLACES).find(([, codes]) => codes.includes(currency));
  return found ? Number(found[0]) : 2;
}

/** Formats an amount in minor units; the only place that does: 1290 EUR is €12.90. */
export function money({ amount, currency }: Money): string {
  const places = digits(currency);
  const format = new Intl.NumberFormat(LOCALE, {
    style: 'currency',
    currency,
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
  return format.format(amount / 10 ** places);
}

/** The amount multiplied by a quantity. */
export const times = ({ amount, currency }: Money, quantity: number): Money => ({ amount: amount * quantity, currency });

export const sameMoney = (one: Money, other: Money): boolean =>
  one.amount === other.amount && one.currency === other.currency;

/** Parses text into minor units without rounding; null when the text is not a valid amount. */
export function parseAmount(text: string, currency: string): number | null {
  const places = digits(currency);
  const match = /^(\d{1,8})(?:[.,](\d+))?$/.exec(text.trim());
  if (!match) return null;
  const [, whole = '', part = ''] = match;
  if (part.length > places) return null;
  return Number(whole + part.padEnd(places, '0'));
}

/** Formats an amount for a form; the inverse of {@link parseAmount}. */
export function amountText({ amount, currency }: Money): string {
  return (amount / 10 ** digits(currency)).toFixed(digits(currency));
}

/** The sum of lines in one currency; null without lines. */
export function total(lines: { price: Money; quantity: number }[]): Money | null {
  const [first] = lines;
  if (!first) return null;
  const { currency } = first.price;
  return { amount: lines.reduce((sum, line) => sum + line.price.amount * line.quantity, 0), currency };
}

const dateTime = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short' });
const toTheMillisecond = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hour12: false,
});
const toTheSecond = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });

export const when = (iso: string): string => dateTime.format(new Date(iso));
export const atSecond = (iso: string): string => toTheSecond.format(new Date(iso));
/** Date and time to the millisecond, for people who compare events. */
export const exactly = (iso: string): string => toTheMillisecond.format(new Date(iso));
export const atClock = (iso: string): string => clock.format(new Date(iso));

/** A duration in its two largest units: 2h 14m. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

/** The end of an id. It distinguishes ids of the same moment, which start alike. */
export const shortId = (id: string): string => id.slice(-8).toUpperCase();

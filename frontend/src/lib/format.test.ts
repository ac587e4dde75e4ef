import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { amountText, DECIMAL_PLACES, duration, money, parseAmount, total } from './format';

test('money is written in its currency, from minor units', () => {
  expect(money({ amount: 1290, currency: 'EUR' })).toBe('€12.90');
  expect(money({ amount: 500, currency: 'JPY' })).toMatch(/[^.\d]500$/);
  expect(money({ amount: 1250, currency: 'KWD' })).toMatch(/1\.250$/);
  expect(money({ amount: 7, currency: 'IQD' })).toMatch(/0\.007$/);
  expect(money({ amount: 12345, currency: 'CLF' })).toMatch(/1\.2345$/);
});

test('storefront and services agree on the minor units of every currency', () => {
  const source = readFileSync(new URL('../../../crates/kernel/src/money.rs', import.meta.url), 'utf8');
  const table = /const DECIMAL_PLACES[^=]*= \[([\s\S]*?)\n\];/.exec(source)?.[1] ?? '';
  const groups = [...table.matchAll(/\(\s*(\d),\s*&\[([^\]]*)\]/g)];
  const ofServices = groups.map(([, places, codes = '']) => [places, [...codes.matchAll(/[A-Z]{3}/g)].map(([code]) => code)]);
  expect(Object.fromEntries(ofServices)).toEqual(DECIMAL_PLACES);
});

test('an amount is read without ever rounding', () => {
  expect(parseAmount('12.90', 'EUR')).toBe(1290);
  expect(parseAmount(' 12,9 ', 'EUR')).toBe(1290);
  expect(parseAmount('0.29', 'EUR')).toBe(29);
  expect(parseAmount('19.99', 'EUR')).toBe(1999);
  expect(parseAmount('500', 'JPY')).toBe(500);
  for (const nonsense of ['', 'abc', '-1', '1.999', '1e3', '12.', '500.5x', '1 000']) {
    expect(parseAmount(nonsense, 'EUR'), nonsense).toBeNull();
  }
  expect(parseAmount('5.5', 'JPY')).toBeNull();
});

test('an amount in a form is read back as it was written', () => {
  for (const currency of ['EUR', 'JPY', 'KWD']) {
    for (const amount of [1, 99, 100, 1999, 12_345_678]) {
      expect(parseAmount(amountText({ amount, currency }), currency)).toBe(amount);
    }
  }
});

test('sums are exact, and nothing has none', () => {
  expect(total([])).toBeNull();
  const lines = [10, 20].map((amount) => ({ price: { amount, currency: 'EUR' }, quantity: 3 }));
  expect(total(lines)).toEqual({ amount: 90, currency: 'EUR' });
});

test('how long is said in its two largest units', () => {
  expect(duration(0)).toBe('0s');
  expect(duration(59_400)).toBe('59s');
  expect(duration(61_000)).toBe('1m 1s');
  expect(duration(8_040_000)).toBe('2h 14m');
  expect(duration(86_400_000)).toBe('1d');
  expect(duration(-5)).toBe('0s');
});

/**
 * The lint rule against amounts that become text without `money`: examples that it must refuse and
 * must accept.
 */
import { Linter } from 'eslint';
import { expect, test } from 'vitest';

const path = new URL('../eslint.config.js', import.meta.url).pathname;
const { default: configs } = (await import(path)) as { default: Linter.Config[] };
const rule = configs.find(({ rules }) => rules?.['no-restricted-syntax'])?.rules?.['no-restricted-syntax'];

function refused(code: string): boolean {
  const languageOptions = { parserOptions: { ecmaFeatures: { jsx: true } } };
  const messages = new Linter().verify(code, [{ files: ['**/*.js'], languageOptions, rules: { 'no-restricted-syntax': rule ?? 'off' } }], 'page.js');
  expect(messages.every(({ fatal }) => fatal !== true), code).toBe(true);
  return messages.length > 0;
}

test('an amount becomes text by `money` alone', () => {
  for (const code of [
    'const text = `${price.amount} EUR`;',
    'const cell = <td>{line.amount}</td>;',
    'const cell = <td>{line.amount / 100}</td>;',
    'const cell = <td>{total_amount}</td>;',
    'const text = String(price.amount);',
    'const text = price.amount.toString();',
    'const text = (price.amount / 100).toFixed(2);',
    "const format = new Intl.NumberFormat('en');",
  ]) {
    expect(refused(code), code).toBe(true);
  }
  for (const code of ['const cell = <td>{money(line.price)}</td>;', 'const text = `${count} items`;', 'const sum = price.amount * 3;']) {
    expect(refused(code), code).toBe(false);
  }
});

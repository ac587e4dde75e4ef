import js from '@eslint/js';
import a11y from 'eslint-plugin-jsx-a11y';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['dist', 'test-results', 'src/lib/api/generated'] },
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  a11y.flatConfigs.recommended,
  hooks.configs.flat.recommended,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // a switch over a closed set names all of its values, so that a new one is not overlooked
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { allowDefaultCaseForExhaustiveSwitch: false, considerDefaultExhaustiveForUnions: false }],
    },
  },
  {
    // an amount is in minor units: only `money` and `amountText` know how it is written
    files: ['src/**/*.ts', 'src/**/*.tsx'],
    ignores: ['src/lib/format.ts', 'src/lib/format.test.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          ":matches(TemplateLiteral, JSXExpressionContainer) > MemberExpression[property.name=/amount$/i]",
          ":matches(TemplateLiteral, JSXExpressionContainer) > Identifier[name=/amount$/i]",
          ":matches(TemplateLiteral, JSXExpressionContainer) > BinaryExpression MemberExpression[property.name=/amount$/i]",
          "CallExpression[callee.name='String'] MemberExpression[property.name=/amount$/i]",
          "MemberExpression[property.name='toString'] > MemberExpression[property.name=/amount$/i]",
          "MemberExpression[property.name=/^(toFixed|toLocaleString)$/]",
          "NewExpression[callee.object.name='Intl'][callee.property.name='NumberFormat']",
        ].map((selector) => ({ selector, message: 'Write an amount with `money` of lib/format.ts: it knows the minor units of each currency.' })),
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    extends: [ts.configs.disableTypeChecked],
    languageOptions: { globals: { URL: 'readonly', console: 'readonly', process: 'readonly' } },
  },
);

/**
 * A new value of a closed set must not compile until the pages know it: each set of the generated
 * types gets one more value, and the compiler must refuse it.
 */
import { readFileSync } from 'node:fs';

import ts from 'typescript';
import { expect, test } from 'vitest';

import { entryOf, valuesOf } from './closed';

const root = new URL('../../', import.meta.url).pathname;
const generated = ['api', 'payments'].map((service) => `${root}src/lib/api/generated/${service}.ts`);

/** Sets that no page shows. */
const NOT_SHOWN = ['AuditSubject', 'AuditVerb', 'Ended', 'Role'];

const ENUM = /^( {8}(\w+): "[^;]*");$/gm;

function enumsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(ENUM)].map(([, , name]) => name ?? '');
}

/** What the compiler says when each set has one more value, named after the set. */
function complaints(): string {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (path) => readFileSync(path, 'utf8')) as { config: object };
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  host.readFile = (path) => {
    const text = read(path);
    return generated.includes(path) ? text?.replace(ENUM, '$1 | "new $2";') : text;
  };
  const program = ts.createProgram(fileNames.filter((file) => file.includes('/src/') && !file.includes('.test.')), options, host);
  const diagnostics = program.getSemanticDiagnostics();
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')).join('\n');
}

test('a new value of a set does not compile', { timeout: 120_000 }, () => {
  const enums = generated.flatMap(enumsOf).filter((name) => !NOT_SHOWN.includes(name));
  expect(enums.length).toBeGreaterThan(10);
  const said = complaints();
  expect(enums.filter((name) => !said.includes(`"new ${name}"`) && !said.includes(`'new ${name}'`))).toEqual([]);
});

test('a value that only a newer release knows has no entry', () => {
  const entries: Record<'a' | 'b', number> = { a: 1, b: 2 };
  expect(valuesOf(entries)).toEqual(['a', 'b']);
  expect(entryOf(entries, 'b')).toBe(2);
  expect(entryOf(entries, 'toString' as 'a')).toBeUndefined();
});

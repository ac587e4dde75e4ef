// Types of both services, from the committed OpenAPI documents. `--check` only compares.
import { readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const check = process.argv.includes('--check');
let stale = false;
for (const service of ['api', 'payments']) {
  const document = new URL(`../../docs/openapi/${service}.json`, import.meta.url);
  const target = new URL(`../src/lib/api/generated/${service}.ts`, import.meta.url);
  const head = `// Generated from docs/openapi/${service}.json by \`cargo xtask generate\`: do not edit.\n\n`;
  const text = head + astToString(await openapiTS(document, { alphabetize: true }));
  if (!check) {
    await writeFile(target, text);
  } else if ((await readFile(target, 'utf8').catch(() => '')) !== text) {
    console.error(`src/lib/api/generated/${service}.ts is stale: run \`cargo xtask generate\` and commit it`);
    stale = true;
  }
}
process.exit(stale ? 1 : 0);

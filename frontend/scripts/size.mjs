// What the shop's first page loads before it can be used must stay small.
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const LIMIT = 200_000;
const dist = new URL('../dist/', import.meta.url);
const html = await readFile(new URL('index.html', dist), 'utf8');
const files = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map((match) => match[1]);
if (!files.some((file) => file.endsWith('.js'))) throw new Error('index.html names no script');
let total = gzipSync(html).length;
for (const file of files) total += gzipSync(await readFile(new URL(file, dist))).length;
const kilobytes = (total / 1000).toFixed(1);
if (total > LIMIT) {
  console.error(`the first page takes ${kilobytes} kB (gzip), ${LIMIT / 1000} kB are allowed: ${files.join(', ')}`);
  process.exit(1);
}
console.log(`the first page takes ${kilobytes} kB (gzip) of ${LIMIT / 1000} kB`);

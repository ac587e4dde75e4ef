import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Writes compressed copies beside the files, so that no server has to compress at request time. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    async closeBundle() {
      const files = await readdir('dist', { recursive: true });
      for (const file of files.filter((name) => /\.(js|css|html|svg|webmanifest)$/.test(name))) {
        const path = join('dist', file);
        const text = await readFile(path);
        await writeFile(`${path}.gz`, gzipSync(text, { level: 9 }));
        await writeFile(`${path}.br`, brotliCompressSync(text));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    // no data: URLs for scripts and styles, and no polyfill as an inline script
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: {
    // `npm run dev` beside `cargo xtask up`
    proxy: { '/api': process.env['API_URL'] ?? 'http://localhost:8080' },
  },
  test: { include: ['src/**/*.test.{ts,tsx}'] },
});

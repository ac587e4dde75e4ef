import { defineConfig } from '@playwright/test';

// `cargo xtask test storefront` starts the system and sets its URLs
const url = process.env['PUBLIC_URL'];
if (url === undefined) throw new Error('PUBLIC_URL is not set: run these tests with `cargo xtask test storefront`');

export default defineConfig({
  testDir: 'browser',
  outputDir: 'test-results',
  // faults affect the whole system, so only one test runs at a time
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 900 },
    locale: 'en-IE',
    timezoneId: 'UTC',
    // without pictures and page snapshots, which cost more than the tests
    trace: { mode: 'retain-on-failure', screenshots: false, snapshots: false },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // the shop under a name other than localhost: over plain HTTP that is no secure context
        '--host-resolver-rules=MAP shop.test 127.0.0.1',
      ],
    },
  },
});

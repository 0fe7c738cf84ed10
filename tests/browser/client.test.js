// The client library in Chromium: every case of tests/client/cases.js, in the page's own origin
// and under its policy.

import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { cases } from '../client/cases.js';
import { launch, openPage } from './page.js';

const CASES = readFileSync(new URL('../client/cases.js', import.meta.url), 'utf8');

let browser;
let page;
before(async () => {
  browser = await launch();
  ({ page } = await openPage(browser));
  await page.route('**/cases.js', (route) => route.fulfill({ contentType: 'text/javascript', body: CASES }));
});
after(async () => { await browser?.close(); });

for (const [name] of cases) {
  test(`in the browser: ${name}`, () => page.evaluate(async (wanted) => {
    const library = await import('/consultd-client.js');
    const { cases: all } = await import('/cases.js');
    await all.find(([title]) => title === wanted)[1](library);
  }, name));
}

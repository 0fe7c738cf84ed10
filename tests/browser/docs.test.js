// The pages of the API documents: they are whole without a network, keep to the strict content
// security policy, and what is tried out in them is answered by this very server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fresh, launch, openPage, picture } from './page.js';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

function story(name, run) {
  test(name, { timeout: 120_000 }, async () => {
    const { page, problems, close } = await openPage(browser, { height: 1000 });
    try {
      await run(page);
    } finally {
      await picture(page, name);
    }
    assert.deepEqual(problems, []);
    await close();
  });
}

async function tryOut(page, id, body) {
  const block = page.locator(`[id$="-${id}"]`);
  await block.locator('.opblock-summary-control').click();
  await block.locator('textarea').fill(JSON.stringify(body));
  await block.locator('.execute').click();
  const live = block.locator('.live-responses-table .response').first();
  await live.waitFor();
  return { status: (await live.locator('.response-col_status').textContent()).trim(),
    body: JSON.parse(await live.locator('.highlight-code').first().textContent().then((text) => text.replace(/^.*?(?=\{)/s, '').replace(/[^}]*$/s, ''))) };
}

story('the REST page lists every endpoint and tries it out with the token of a sign-in', async (page) => {
  const openId = `docs-${fresh()}`;
  const api = await (await page.request.get(new URL('/openapi.json', page.url()).href)).json();
  await page.goto(new URL('/docs', page.url()).href);
  await page.locator('.opblock').first().waitFor();
  const wanted = Object.values(api.paths).reduce((count, item) => count + Object.keys(item).length, 0);
  assert.equal(await page.locator('.opblock').count(), wanted);
  await picture(page, 'docs');
  assert.equal((await tryOut(page, 'user_signup', { openId })).status, '200');
  const signedIn = await tryOut(page, 'user_signin', { openId });
  assert.equal(signedIn.status, '200');
  await page.locator('#who', { hasText: '已以用户身份登录' }).waitFor();
  const list = await tryOut(page, 'patient_list', { userId: signedIn.body.userId });
  assert.deepEqual(list, { status: '200', body: { code: 200, msg: '操作成功', data: [] } });
});

story('the socket page shows every call, every event and every close code', async (page) => {
  const api = await (await page.request.get(new URL('/asyncapi.json', page.url()).href)).json();
  await page.goto(new URL('/docs/socket', page.url()).href);
  await page.locator('details').first().waitFor();
  assert.equal(await page.locator('details').count(), Object.keys(api.operations).length);
  for (const { code } of api.channels.ws['x-close-codes']) {
    await page.getByText(String(code), { exact: true }).first().waitFor();
  }
  await page.locator('#message_create summary').click();
  await page.getByText('REPLY_QUOTA_EXCEEDED').locator('visible=true').first().waitFor();
  await picture(page, 'docs-socket');
});

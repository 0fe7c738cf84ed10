// The demo page, driven as people would: each story has patients of its own, so that they may run
// in any order and again on the same server. Nothing sleeps; every step waits for what it needs.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BASE_URL, by, fresh, launch, openPage, Part, picture, TWO_NODES } from './page.js';

const DOCTOR = '00001';
const REFUSED = /console: Failed to load resource: the server responded with a status of 4\d\d/;

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

/**
 * One story: its pages are closed and must have had no problem at all. With two nodes only the
 * stories that have a page on each are told.
 */
function story(name, run, { onTwoNodes = false } = {}) {
  if (TWO_NODES && !onTwoNodes) {
    return;
  }
  test(name, { timeout: 120_000 }, async () => {
    const opened = [];
    const open = async (options) => {
      opened.push(await openPage(browser, options));
      return opened.at(-1);
    };
    let failed = true;
    try {
      await run(open);
      failed = false;
    } finally {
      for (const { page, problems } of opened) {
        failed && await picture(page, `failed-${name}`).catch(() => {});
        failed && problems.length && console.error(problems);
      }
    }
    for (const { problems } of opened) {
      assert.deepEqual(problems, []);
    }
    await Promise.all(opened.map(({ close }) => close()));
  });
}

async function live(part) {
  await part.get('net-state', '[data-state="online"]').waitFor();
}

async function enterPatient(patient) {
  await patient.click('sign-up');
  await patient.get('screen-home').waitFor();
  await live(patient);
}

async function enterDoctor(doctor, number = DOCTOR) {
  await doctor.click('demo-doctor', `:text-is("${number}")`);
  await doctor.click('doctor-sign-in');
  await doctor.get('desk').waitFor();
  await live(doctor);
}

/** From the home screen to the payment; returns the invented patient's name. */
async function order(patient, { number = DOCTOR, images = 0, content = '近一周夜间咳嗽，没有发热。' } = {}) {
  const name = `测试${fresh()}`;
  await patient.click('doctor-card', `[data-sn="${number}"]`);
  await patient.click('consult');
  await patient.click('add-patient');
  await patient.click('invent');
  await patient.get('patient-name').fill(name);
  await patient.click('patient-save');
  await patient.get('screen-newOrder').waitFor();
  await patient.get('order-patient').first().waitFor({ state: 'attached' });
  await patient.get('order-content').fill(content);
  for (let i = 0; i < images; i += 1) {
    await patient.click('order-add-image');
  }
  await patient.click('order-submit');
  await patient.get('pay-now').waitFor();
  return name;
}

async function pay(patient) {
  await patient.click('pay-now');
  await patient.get('screen-chat').waitFor();
  await patient.see('notice', '您提交的病历信息已经发送给医生');
}

async function openAtDesk(doctor, name) {
  await doctor.click('desk-row', `[data-name="${name}"]`);
  await doctor.get('desk-title').filter({ hasText: name }).waitFor();
}

/** Both panes in, an order paid, its chat open on both sides. */
async function consultation(open, options) {
  const opened = await open(options);
  await enterPatient(opened.patient);
  await enterDoctor(opened.doctor);
  const name = await order(opened.patient, options);
  await pay(opened.patient);
  await openAtDesk(opened.doctor, name);
  return { ...opened, name };
}

const texts = (part, name) => part.get(name).allInnerTexts();

story('a patient signs up, orders, pays and talks with a doctor, who retracts a reply and ends it', async (open) => {
  const { page, patient, doctor, whole } = await open();
  await picture(page, 'welcome');
  await enterPatient(patient);
  await enterDoctor(doctor);
  await patient.get('doctor-card').first().waitFor();
  await picture(page, 'home');
  const name = await order(patient, { images: 2 });
  await picture(page, 'pay');
  await pay(patient);
  await patient.see('notice', '温馨提示');
  await patient.see('message-own', '近一周夜间咳嗽');
  await patient.get('picture').nth(1).waitFor();

  await whole.get('toast-ring').filter({ hasText: name }).waitFor();
  const row = doctor.get('desk-row', `[data-name="${name}"]`);
  await row.locator('[data-unread="4"]').waitFor();
  await picture(page, 'rings');
  await openAtDesk(doctor, name);
  await row.locator(by('unread')).waitFor({ state: 'detached' });
  await doctor.see('notice', '购买了您的咨询服务');
  assert.equal(await doctor.get('notice').filter({ hasText: '温馨提示' }).count(), 0);
  await doctor.get('file-name').filter({ hasText: name }).waitFor();
  assert.match(await doctor.get('desk-file').innerText(), /990\*+/);
  await patient.get('message-own').first().locator(by('read-state')).filter({ hasText: '已读' }).waitFor();

  await doctor.get('composer').pressSequentially('夜里');
  await patient.get('typing').waitFor();
  await picture(page, 'typing');
  await doctor.write('夜里咳嗽时有痰吗？');
  await patient.see('message-other', '夜里咳嗽时有痰吗？');
  for (const side of [patient, doctor]) {
    await side.see('notice', '因不能面诊患者');
    await side.get('replies-left', '[data-left="2"]').waitFor();
    assert.match(await side.get('deadline').innerText(), /^4[78]:\d\d:\d\d$/);
  }
  await patient.write('有一点白痰。');
  await doctor.see('message-other', '有一点白痰。');
  await patient.click('open-voice');
  await patient.get('pick-voice').first().click();
  await doctor.get('voice', '[data-ready="true"]').waitFor();
  await doctor.get('voice').click();
  await doctor.get('voice', '.playing').waitFor();
  await patient.click('open-image');
  await patient.get('pick-image').last().click();
  await doctor.get('picture').nth(2).waitFor();

  await doctor.write('请马上停用所有药物。');
  await patient.see('message-other', '请马上停用所有药物。');
  await doctor.get('message-own').filter({ hasText: '请马上停用' }).locator(by('retract')).click();
  await doctor.see('tombstone-own', '请马上停用所有药物。');
  await patient.get('tombstone-other').waitFor();
  assert.equal(await page.locator(by('patient-pane')).getByText('请马上停用').count(), 0);
  await doctor.get('replies-left', '[data-left="2"]').waitFor();
  await picture(page, 'retracted');
  await doctor.click('edit-again');
  await doctor.get('composer').fill('请先停用止咳糖浆，观察三天。');
  await doctor.click('send');
  await patient.see('message-other', '请先停用止咳糖浆');
  await doctor.write('三天后没有好转，请来院就诊。');
  await doctor.get('composer-closed').waitFor();
  await patient.get('replies-left', '[data-left="0"]').waitFor();

  await doctor.click('order-complete');
  await whole.click('confirm-yes');
  for (const side of [patient, doctor]) {
    await side.see('notice', '咨询结束');
    await side.see('composer-closed', '已完成');
    await side.get('status', '[data-status="07"]').first().waitFor();
  }
  await picture(page, 'completed');
});

story('what is written offline goes out once, and what was retracted meanwhile is never seen', async (open) => {
  const { page, patient, doctor } = await consultation(open);
  await doctor.write('第一条回复');
  await patient.see('message-other', '第一条回复');
  await patient.click('net-switch');
  await patient.get('net-state', '[data-state="offline"]').waitFor();
  await patient.write('离线时写的话');
  await patient.get('message-queued').filter({ hasText: '离线时写的话' }).waitFor();
  await doctor.write('不该看到的内容');
  await doctor.get('message-own').filter({ hasText: '不该看到的内容' }).locator(by('retract')).click();
  await doctor.get('tombstone-own').waitFor();
  await doctor.write('留下来的回复');
  await doctor.see('message-own', '留下来的回复');
  await picture(page, 'offline');
  const seen = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => seen.push(String(payload))));

  await patient.click('net-switch');
  await live(patient);
  await patient.get('message-queued').waitFor({ state: 'detached' });
  await patient.see('message-other', '留下来的回复');
  await patient.get('tombstone-other').waitFor();
  await doctor.see('message-other', '离线时写的话');
  assert.equal(await doctor.get('message-other').filter({ hasText: '离线时写的话' }).count(), 1);
  assert.equal(await patient.get('message-own').filter({ hasText: '离线时写的话' }).count(), 1);
  assert.ok(seen.some((frame) => frame.includes('"resumed":true')), 'the line was resumed by its cursor');
  assert.ok(seen.every((frame) => !frame.includes('不该看到的内容')));
  const order = await patient.get('messages').locator('[data-seq]').evaluateAll((rows) => rows.map((row) => Number(row.dataset.seq)));
  assert.deepEqual(order, [...order].sort((a, b) => a - b));
  await picture(page, 'resumed');
});

story('two pages, one side each, see unread, typing and one another\'s words', async (open) => {
  const one = await open({ query: '?view=patient', width: 420 });
  const two = await open({ query: '?view=doctor' });
  assert.equal(await one.page.locator(by('doctor-pane')).count(), 0);
  await enterPatient(one.patient);
  await enterDoctor(two.doctor);
  const name = await order(one.patient);
  await pay(one.patient);
  await openAtDesk(two.doctor, name);
  await one.patient.click('back');
  await two.doctor.write('您好，我看过您的资料了。');
  const row = one.patient.get('chat-row', '[data-type="01"]');
  await row.filter({ hasText: '您好，我看过您的资料了。' }).waitFor();
  // The reply and the disclaimer after it.
  await row.locator('[data-unread="2"]').waitFor();
  await one.patient.get('tab-chats').locator('[data-unread]').waitFor();
  await row.click();
  await one.patient.see('message-other', '您好，我看过您的资料了。');
  await two.doctor.get('message-own').locator(by('read-state')).filter({ hasText: '已读' }).waitFor();
  await one.patient.get('composer').pressSequentially('谢');
  await two.doctor.get('typing').waitFor();
  await one.patient.click('back');
  await row.locator(by('unread')).waitFor({ state: 'detached' });
}, { onTwoNodes: true });

story('each side sees whether the other one is there, and since when not', async (open) => {
  const one = await open({ query: '?view=patient', width: 420 });
  const two = await open({ query: '?view=doctor' });
  await enterPatient(one.patient);
  await enterDoctor(two.doctor);
  const name = await order(one.patient);
  await pay(one.patient);
  await openAtDesk(two.doctor, name);
  await one.patient.get('presence', '[data-online="true"]').filter({ hasText: '在线' }).waitFor();
  await two.doctor.get('presence', '[data-online="true"]').filter({ hasText: '在线' }).waitFor();
  await picture(one.page, 'presence-patient');
  await picture(two.page, 'presence-doctor');
  await one.patient.click('net-switch');
  await two.doctor.get('presence', '[data-online="false"]').filter({ hasText: /最后在线 \d\d:\d\d/ }).waitFor();
  // Whose own line is down knows nothing of others.
  await one.patient.get('presence').waitFor({ state: 'hidden' });
  await picture(two.page, 'presence-gone');
  await two.whole.click('language');
  await two.doctor.get('presence').filter({ hasText: /Last seen \d\d:\d\d/ }).waitFor();
  await one.patient.click('net-switch');
  await two.doctor.get('presence', '[data-online="true"]').filter({ hasText: 'Online' }).waitFor();
  await one.patient.get('presence', '[data-online="true"]').waitFor();
}, { onTwoNodes: true });

story('a doctor signed in twice receives everything in both places', async (open) => {
  const { patient, doctor, name } = await consultation(open);
  const second = await open({ query: '?view=doctor' });
  await enterDoctor(second.doctor);
  await openAtDesk(second.doctor, name);
  await patient.write('两处都能收到吗？');
  await doctor.see('message-other', '两处都能收到吗？');
  await second.doctor.see('message-other', '两处都能收到吗？');
  await doctor.write('都收到了。');
  await second.doctor.see('message-own', '都收到了。');
}, { onTwoNodes: true });

story('a doctor whose consultations are closed cannot be ordered', async (open) => {
  const { page, patient } = await open();
  await enterPatient(patient);
  await patient.get('doctor-card', '[data-open="false"]').first().click();
  await patient.get('doctor-closed').waitFor();
  assert.equal(await patient.get('consult').count(), 0);
  await picture(page, 'closed');
});

story('an unpaid order can be cancelled, and a paid one refunded before the first reply', async (open) => {
  const { page, patient, whole } = await open();
  await enterPatient(patient);
  await order(patient);
  await patient.click('pay-cancel');
  await whole.click('confirm-yes');
  await patient.get('screen-order').waitFor();
  await patient.get('status', '[data-status="02"]').waitFor();
  await patient.click('back');
  await patient.click('back');
  await order(patient);
  await pay(patient);
  await patient.click('order-refund');
  await picture(page, 'refund');
  await whole.click('confirm-yes');
  await patient.get('status', '[data-status="09"]').first().waitFor();
  await patient.see('notice', '咨询结束');
  await patient.click('back');
  await patient.get('chat-row', '[data-type="02"]').locator('[data-unread]').waitFor();
  await patient.get('chat-row', '[data-type="02"]').click();
  await patient.get('composer-closed').waitFor();
  await picture(page, 'system-chat');
});

story('what could not be loaded without network is loaded when it is back', async (open) => {
  const { page, patient } = await open();
  await enterPatient(patient);
  await patient.get('doctor-card').first().waitFor();
  await patient.click('net-switch');
  await patient.get('banner').waitFor();
  await patient.click('tab-home');
  await patient.get('load-failed').waitFor();
  await picture(page, 'no-network');
  await patient.click('net-switch');
  await patient.get('doctor-card').first().waitFor();
  await patient.get('banner').waitFor({ state: 'hidden' });
});

story('the server\'s own words say what was wrong', async (open) => {
  const { page, patient, doctor } = await open({ allow: [REFUSED] });
  await doctor.get('doctor-password').fill('wrong-password');
  await doctor.click('doctor-sign-in');
  await doctor.get('toast-bad').waitFor();
  assert.match(await doctor.get('toast-bad').innerText(), /[一-龥]/);
  await patient.get('open-id').fill(`nobody-${fresh()}`);
  await patient.click('sign-in');
  await patient.get('toast-bad').waitFor();
  await enterPatient(patient);
  await patient.click('tab-me');
  await patient.click('add-patient');
  await patient.click('patient-save');
  await patient.get('patient-name-error').filter({ hasText: '请填写这一项' }).waitFor();
  await patient.click('invent');
  await patient.get('patient-certificateNo').fill('990000199001010008');
  await patient.click('patient-save');
  await patient.get('patient-certificateNo-error').filter({ hasText: /[一-龥]/ }).waitFor();
  await picture(page, 'wrong');
  await patient.click('invent');
  await patient.click('patient-save');
  await patient.get('patient-row').waitFor();
});

story('what people write is shown as words, never as markup', async (open) => {
  const { patient, doctor } = await consultation(open);
  const words = '<img src=x onerror="document.title=1"> & <b>粗</b>';
  await patient.write(words);
  await doctor.see('message-other', words);
  assert.equal(await doctor.get('messages').locator('b, img').count(), 0);
});

story('the whole page speaks English at a switch and keeps what was being written', async (open) => {
  const { page, patient, doctor, whole } = await consultation(open);
  await doctor.write('您好。');
  await patient.see('message-other', '您好。');
  await patient.get('composer').fill('半句话');
  await whole.click('language');
  await page.locator('html[lang="en"]').waitFor();
  assert.equal(await patient.get('composer').inputValue(), '半句话');
  await patient.see('message-other', '您好。');
  await patient.get('meter').filter({ hasText: 'Time left' }).waitFor();
  await doctor.get('order-complete').filter({ hasText: 'End chat' }).waitFor();
  await picture(page, 'english-chat');
  await patient.click('back');
  await patient.click('tab-me');
  await patient.get('order-row').waitFor();
  for (const selector of ['.top', '.pane-bar', '.tabs', '.chips', '.meter', '.section-title', '.card-title', '.button', '.chip', '.facts dt', '.frames']) {
    const found = (await page.locator(selector).allInnerTexts()).join(' ').replace('中文', '');
    assert.doesNotMatch(found, /[一-龥]/, `${selector} still speaks Chinese`);
  }
  await picture(page, 'english-me');
  await page.reload();
  await page.locator('html[lang="en"]').waitFor();
  await live(patient);
});

story('a reload keeps both sides signed in', async (open) => {
  const { page, patient, doctor, name } = await consultation(open);
  await page.reload();
  await live(patient);
  await live(doctor);
  await openAtDesk(doctor, name);
  await doctor.see('message-other', '近一周夜间咳嗽');
  await patient.get('ongoing').click();
  await patient.see('message-own', '近一周夜间咳嗽');
  await patient.click('back');
  await patient.click('tab-me');
  await patient.click('restart');
  await patient.get('screen-welcome').waitFor();
  await doctor.click('doctor-sign-out');
  await doctor.get('screen-doctor-signin').waitFor();
});

story('the drawer shows the frames of both sides and no secret', async (open) => {
  const { page, patient, doctor, whole } = await open();
  await enterPatient(patient);
  await enterDoctor(doctor);
  await whole.click('frames-toggle');
  await whole.get('frame', '[data-side="patient"][data-name="/api/user/signin"]').first().waitFor();
  await whole.get('frame', '[data-side="doctor"][data-name="connect"]').first().waitFor();
  const all = await page.locator(by('frames-list')).evaluate((list) => list.textContent);
  assert.doesNotMatch(all, /eyJ[\w-]{8,}/);
  assert.doesNotMatch(all, /"123456"/);
  await whole.get('frame', '[data-name="connect"]').first().locator('summary').click();
  await picture(page, 'frames');
  await whole.click('frames-patient');
  await whole.get('frame', '[data-side="patient"]').first().waitFor({ state: 'detached' });
  await whole.click('frames-patient');
  await whole.click('frames-pause');
  const before = await whole.get('frame').count();
  await patient.get('doctor-search').fill('没有这个人');
  await page.locator('.frames-note').filter({ hasText: /\d/ }).waitFor();
  assert.equal(await whole.get('frame').count(), before);
  await whole.click('frames-clear');
  await whole.get('frame').first().waitFor({ state: 'detached' });
});

story('everything can be reached at a phone\'s width, one view at a time', async (open) => {
  const { page, patient, doctor, whole } = await open({ width: 390, height: 844 });
  const fits = async () => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(over <= 0, `the page is ${over} px too wide`);
  };
  await enterPatient(patient);
  assert.equal(await page.locator(by('doctor-pane')).isVisible(), false);
  await patient.get('doctor-card').first().waitFor();
  await picture(page, 'narrow-home');
  const name = await order(patient, { images: 1 });
  await pay(patient);
  await fits();
  await picture(page, 'narrow-chat');
  await whole.click('view-doctor');
  await enterDoctor(doctor);
  await openAtDesk(doctor, name);
  await doctor.write('您好，已看到。');
  await doctor.see('message-own', '您好，已看到。');
  await fits();
  await picture(page, 'narrow-desk-chat');
  await doctor.click('file-toggle');
  await doctor.get('file-content').waitFor();
  await picture(page, 'narrow-file');
  await doctor.get('desk-file').getByRole('button').first().click();
  await doctor.click('desk-back');
  await doctor.get('desk-list').waitFor();
  await picture(page, 'narrow-desk');
  await whole.click('view-frames');
  await whole.get('frame').first().waitFor();
  await fits();
  await picture(page, 'narrow-frames');
  await whole.click('view-patient');
  await patient.see('message-other', '您好，已看到。');
  await whole.click('language');
  await patient.see('message-other', '您好，已看到。');
  await fits();
  await picture(page, 'narrow-english');
});

story('the keyboard alone is enough to sign up, order and write', async (open) => {
  const { page, patient } = await open({ query: '?view=patient' });
  const press = async (locator, key = 'Enter') => {
    await locator.focus();
    await page.keyboard.press(key);
  };
  await press(patient.get('sign-up'));
  await live(patient);
  await press(patient.get('doctor-card', `[data-sn="${DOCTOR}"]`));
  await press(patient.get('consult'));
  await press(patient.get('add-patient'));
  await press(patient.get('invent'));
  await press(patient.get('patient-phone'));
  await patient.get('order-content').fill('键盘写的病情。');
  await press(patient.get('order-submit'));
  await press(patient.get('pay-cancel'));
  await new Part(page.locator('body')).get('confirm-yes').waitFor();
  await page.keyboard.press('Escape');
  await new Part(page.locator('body')).get('confirm-yes').waitFor({ state: 'detached' });
  await press(patient.get('pay-now'));
  await patient.get('composer').waitFor();
  await patient.get('composer').focus();
  await page.keyboard.type('第一行');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('第二行');
  await page.keyboard.press('Enter');
  await patient.get('message-own').filter({ hasText: '第二行' }).waitFor();
  assert.ok((await texts(patient, 'message-own')).some((text) => text.includes('第一行\n第二行')));
});

story('a link cannot lead the doctor\'s line to a stranger\'s server', async (open) => {
  const { page, doctor } = await open({ query: '?view=doctor&doctor=https://stranger.example' });
  const lines = [];
  page.on('websocket', (socket) => lines.push(new URL(socket.url()).host));
  await enterDoctor(doctor);
  assert.deepEqual([...new Set(lines)], [new URL(BASE_URL).host]);
});

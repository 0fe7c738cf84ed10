// The screens of the patient's phone, in the order a patient meets them.

import { confirmIn, everySecond, fill, h, icon, patchList, placeholder, skeleton } from './dom.js';
import { ageOf, fullTime, money, shortTime, span, t } from './i18n.js';
import { inventOpenId, inventPerson, PICTURES } from './people.js';
import { avatar, busy, field, unreadBadge } from './pane.js';
import { ChatView, statusChip } from './chat.js';
import { isOpen } from './store.js';

const IMAGES_MOST = 9;
const ORDER_ENDED = ['02', '05', '07', '08', '09'];

const idOf = (record) => record.id ?? record._id;

/** A box that shows a skeleton, then what `load` led to; a failure can be tried again, and is when the line is back. */
function loading(pane, box, load, show, rows = 3) {
  fill(box, skeleton(rows, t('common.loading')));
  const again = () => box.isConnected && loading(pane, box, load, show, rows);
  load().then((value) => fill(box, show(value)), (error) => {
    fill(box, placeholder({
      art: 'alert', tone: 'bad', title: t('common.failed'), text: error.message, test: 'load-failed',
      action: h('button', { class: 'button small', type: 'button', on: { click: again } }, icon('refresh'), t('common.retry')),
    }));
    error.retry && pane.whenLive(again);
  });
}

// ---- welcome ----

function welcome(pane) {
  const input = h('input', { class: 'field-input', value: pane.openId, maxlength: '64', autocomplete: 'off', spellcheck: 'false',
    test: 'open-id', on: { input: () => { pane.openId = input.value.trim(); } } });
  const openId = field(t('welcome.openid'), input);
  const enter = (first) => (event) => {
    event.preventDefault();
    if (!pane.openId) {
      openId.say(t('common.required'));
      return;
    }
    busy(event.currentTarget, pane, () => pane.signIn(first));
  };
  const another = h('button', { class: 'link', type: 'button', on: { click: () => {
    pane.openId = inventOpenId();
    input.value = pane.openId;
  } } }, icon('refresh'), t('welcome.another'));
  return {
    title: t('welcome.title'), bare: true,
    body: h('div', { class: 'scroll welcome' },
      h('div', { class: 'welcome-head' },
        h('img', { class: 'welcome-mark', src: 'icon.svg', alt: '' }),
        h('p', { class: 'welcome-hospital' }, t('app.hospital')),
        h('h3', { class: 'welcome-title' }, t('welcome.title')),
        h('p', { class: 'welcome-text' }, t('welcome.text'))),
      h('form', { class: 'welcome-form', on: { submit: (event) => event.preventDefault() } },
        openId.box, another,
        h('button', { class: 'button primary wide', type: 'submit', test: 'sign-up', on: { click: enter(true) } }, t('welcome.signup')),
        h('button', { class: 'button quiet wide', type: 'button', test: 'sign-in', on: { click: enter(false) } }, t('welcome.signin'))),
      h('p', { class: 'fine-print' }, icon('shield'), t('welcome.note'))),
  };
}

// ---- home: departments and doctors ----

function doctorCard(pane, doctor) {
  const open = doctor.imageAndTextOpen;
  const sub = [doctor.title, pane.departmentName(doctor)].filter(Boolean).join(' · ');
  return h('button', { class: `card doctor-card ${open ? '' : 'closed'}`, type: 'button', test: 'doctor-card',
    'data-sn': doctor.doctorSn, 'data-open': String(open), on: { click: () => pane.go('doctor', { id: idOf(doctor) }) } },
  avatar(doctor.doctorName, 'doctor'),
  h('span', { class: 'doctor-lines' },
    h('span', { class: 'doctor-name' }, doctor.doctorName, doctor.isHot && h('span', { class: 'tag hot' }, t('doctor.hot'))),
    sub && h('span', { class: 'doctor-sub' }, sub),
    doctor.introduction && h('span', { class: 'doctor-intro' }, doctor.introduction)),
  h('span', { class: 'doctor-side' },
    open ? h('span', { class: 'price' }, money(doctor.imageAndTextPrice)) : null,
    h('span', { class: `tag ${open ? 'open' : 'shut'}` }, t(open ? 'doctor.open' : 'doctor.closed'))));
}

function home(pane) {
  const filter = (pane.homeFilter ??= { departmentId: '', keyword: '' });
  const chips = h('div', { class: 'chips', role: 'group', 'aria-label': t('home.what') });
  const list = h('div', { class: 'cards', test: 'doctors' });
  const ongoing = h('div', { class: 'ongoing' });
  const search = h('input', { class: 'search-input', type: 'search', value: filter.keyword, maxlength: '64', 'aria-label': t('home.search'),
    placeholder: t('home.search'), test: 'doctor-search', on: { input: () => {
      filter.keyword = search.value.trim();
      clearTimeout(home.timer);
      home.timer = setTimeout(show, 250);
    } } });
  let asked = 0;
  function show() {
    const mine = ++asked;
    const data = { skip: 0, limit: 50 };
    filter.departmentId && (data.departmentId = filter.departmentId);
    filter.keyword && (data.keyword = filter.keyword);
    loading(pane, list, async () => (await pane.client.call('/api/doctor/list', data)).data.items, (doctors) => {
      pane.keepDoctors(doctors);
      if (mine !== asked) {
        return [];
      }
      return doctors.length ? doctors.map((doctor) => doctorCard(pane, doctor))
        : placeholder({ art: 'search', title: t('home.none'), text: t('home.none.text') });
    });
  }
  function showChips(departments) {
    return [{ id: '', name: t('home.all') }, ...departments].map(({ id, name }) => h('button', { class: 'chip-button', type: 'button',
      test: 'department', 'aria-pressed': String(filter.departmentId === id), on: { click: () => {
        filter.departmentId = id;
        fill(chips, showChips(departments));
        show();
      } } }, name));
  }
  pane.departments().then((all) => { fill(chips, showChips(all)); show(); }, () => show());
  return {
    title: t('app.hospital'), tab: 'home',
    body: h('div', { class: 'scroll home' },
      h('div', { class: 'hero' }, h('p', { class: 'hero-hello' }, t('home.hello')), h('p', { class: 'hero-what' }, t('home.what')),
        h('div', { class: 'search' }, icon('search'), search)),
      ongoing, chips, h('h4', { class: 'section-title' }, t('home.doctors')), list),
    update: () => patchList(ongoing, pane.store.ordersByAge().filter(({ status }) => !ORDER_ENDED.includes(status)).slice(0, 3), {
      key: (order) => order.id, signature: (order) => `${order.status}|${order.repliesLeft}|${order.deadline}`,
      render: (order) => ongoingCard(pane, order),
    }),
  };
}

function ongoingCard(pane, order) {
  const open = () => {
    const chat = pane.store.chatOf(order);
    isOpen(order) && chat ? pane.openChat(chat.id) : pane.go('order', { id: order.id });
  };
  const rest = h('span', { class: 'ongoing-time' });
  isOpen(order) && order.deadline && everySecond(rest, (_, now) => {
    rest.textContent = span(Date.parse(order.deadline) - now);
  });
  return h('button', { class: 'ongoing-card', type: 'button', test: 'ongoing', on: { click: open } },
    h('span', { class: 'ongoing-line' }, h('strong', {}, order.doctor?.doctorName ?? ''), statusChip(order.status)),
    h('span', { class: 'ongoing-line soft' }, h('span', { class: 'clip' }, order.content), rest));
}

// ---- one doctor ----

function doctor(pane, { id }) {
  const body = h('div', { class: 'scroll doctor-page' });
  const foot = h('div', { class: 'screen-foot' });
  loading(pane, body, async () => {
    const { data } = await pane.client.call('/api/doctor/detail', { id });
    pane.keepDoctors([data]);
    return data;
  }, (it) => {
    fill(foot, doctorFoot(pane, it));
    return [
      h('div', { class: 'doctor-hero' }, avatar(it.doctorName, 'doctor big'),
        h('div', {}, h('p', { class: 'doctor-big' }, it.doctorName), h('p', { class: 'doctor-sub' },
          [it.title, pane.departmentName(it)].filter(Boolean).join(' · ')),
        h('span', { class: `tag ${it.imageAndTextOpen ? 'open' : 'shut'}` }, t(it.imageAndTextOpen ? 'doctor.open' : 'doctor.closed')))),
      h('section', { class: 'card block' }, h('h4', {}, t('doctor.about')), h('p', {}, it.introduction || t('doctor.about.none'))),
      h('section', { class: 'card block' }, h('h4', {}, t('doctor.promise')), h('ul', { class: 'ticks' },
        [1, 2, 3].map((n) => h('li', {}, icon('check'), t(`doctor.promise.${n}`))))),
    ];
  });
  return { title: t('doctor.title'), body, foot };
}

function doctorFoot(pane, it) {
  if (!it.imageAndTextOpen) {
    return h('p', { class: 'foot-note', test: 'doctor-closed' }, icon('alert'), t('doctor.closed.text'));
  }
  return [
    h('span', { class: 'foot-price' }, h('strong', {}, money(it.imageAndTextPrice)), ' ', t('doctor.per')),
    h('button', { class: 'button primary', type: 'button', test: 'consult',
      on: { click: () => pane.go('newOrder', { doctorId: idOf(it) }) } }, t('doctor.ask')),
  ];
}

// ---- patients ----

export function personLine(person) {
  const sex = person.sex === 1 || person.sex === '1' ? t('common.male') : t('common.female');
  return [sex, t('common.age', { n: ageOf(person.birthday) })].join(' · ');
}

function newPatient(pane, { choose }) {
  const draft = pane.drafts.patient;
  const make = (name, label, extra) => {
    const input = h('input', { class: 'field-input', value: draft[name] ?? '', autocomplete: 'off', test: `patient-${name}`, ...extra,
      on: { input: () => { draft[name] = input.value.trim(); fields[name].say(''); } } });
    return field(label, input, { test: `patient-${name}`, hint: name === 'certificateNo' ? t('patient.derived') : null });
  };
  const fields = {};
  fields.name = make('name', t('patient.name'), { maxlength: '64' });
  fields.certificateNo = make('certificateNo', t('patient.certificate'), { maxlength: '18', inputmode: 'text', spellcheck: 'false' });
  fields.phone = make('phone', t('patient.phone'), { maxlength: '11', inputmode: 'numeric' });
  const invent = h('button', { class: 'invent', type: 'button', test: 'invent', on: { click: () => {
    Object.assign(draft, inventPerson());
    for (const [name, it] of Object.entries(fields)) {
      it.input.value = draft[name];
      it.say('');
    }
  } } }, icon('wand'), h('span', {}, h('strong', {}, t('patient.invent')), h('small', {}, t('patient.invent.text'))));
  async function save() {
    const missing = Object.keys(fields).filter((name) => !draft[name]);
    missing.forEach((name) => fields[name].say(t('common.required')));
    if (missing.length) {
      fields[missing[0]].input.focus();
      return;
    }
    try {
      const { data } = await pane.client.call('/api/patient/create', { userId: pane.store.me, certificateType: '01', ...draft });
      pane.drafts.patient = {};
      pane.cache.patients = null;
      choose && (pane.drafts.order.patientId = data.id);
      pane.back();
      choose || pane.toast(t('patient.saved'));
    } catch (error) {
      fields[error.field]?.say(error.message);
      throw error;
    }
  }
  const button = h('button', { class: 'button primary wide', type: 'submit', test: 'patient-save' }, t('patient.save'));
  return {
    title: t('patients.add'),
    body: h('div', { class: 'scroll' }, invent,
      h('form', { class: 'card form', id: 'patient-form', novalidate: true, on: { submit: (event) => {
        event.preventDefault();
        busy(button, pane, save);
      } } }, Object.values(fields).map(({ box }) => box), button)),
  };
}

// ---- an order ----

function newOrder(pane, { doctorId }) {
  const draft = pane.drafts.order;
  draft.images ??= [];
  const who = h('div', { class: 'choices', role: 'radiogroup', 'aria-label': t('order.for') });
  const why = h('div', { class: 'choices', role: 'radiogroup', 'aria-label': t('order.reason') });
  const pictures = h('div', { class: 'pictures' });
  const problem = h('p', { class: 'field-error', role: 'alert', test: 'order-error' });
  const count = h('span', { class: 'count' });
  const text = h('textarea', { class: 'field-input tall', maxlength: '2000', rows: '5', placeholder: t('order.content.hint'), test: 'order-content',
    'aria-label': t('order.content'), value: draft.content ?? '', on: { input: () => { draft.content = text.value; counted(); } } });
  const counted = () => { count.textContent = `${[...text.value].length} / 2000`; };
  counted();
  const choice = (name, value, label, sub, test) => h('label', { class: 'choice' },
    h('input', { type: 'radio', name: `order-${name}`, value, test, checked: draft[name] === value,
      on: { change: () => { draft[name] = value; problem.textContent = ''; } } }),
    h('span', { class: 'choice-box' }, h('strong', {}, label), sub && h('small', {}, sub)));
  const add = h('button', { class: 'choice-add', type: 'button', test: 'add-patient', on: { click: () => pane.go('newPatient', { choose: true }) } },
    icon('plus'), t('patients.add'));
  loading(pane, who, () => pane.patients(), (all) => {
    draft.patientId = all.some(({ id }) => id === draft.patientId) ? draft.patientId : all[0]?.id;
    return [all.map((it) => choice('patientId', it.id, it.name, personLine(it), 'order-patient')), add];
  }, 1);
  loading(pane, why, () => pane.reasons(), (all) => {
    draft.consultationReason ??= all[0]?.reason;
    return all.map((it) => choice('consultationReason', it.reason, it.reason, null, 'order-reason'));
  }, 1);
  function showPictures() {
    const rest = PICTURES.filter(({ url }) => !draft.images.includes(url));
    fill(pictures, draft.images.map((url) => h('span', { class: 'thumb' }, h('img', { src: url, alt: t('chat.picture'), test: 'order-image' }),
      h('button', { class: 'thumb-remove', type: 'button', 'aria-label': t('order.images.remove'), on: { click: () => {
        draft.images = draft.images.filter((other) => other !== url);
        showPictures();
      } } }, icon('close')))),
    rest.length > 0 && draft.images.length < IMAGES_MOST && h('button', { class: 'thumb add', type: 'button', test: 'order-add-image', 'aria-label': t('order.images.add'),
      on: { click: () => { draft.images.push(rest[0].url); showPictures(); } } }, icon('plus')));
  }
  showPictures();
  async function submit() {
    problem.textContent = '';
    if (!draft.patientId || !draft.content?.trim()) {
      problem.textContent = draft.patientId ? `${t('order.content')}：${t('common.required')}` : t('order.choose');
      draft.patientId && text.focus();
      return;
    }
    const { patientId, consultationReason, content, images } = draft;
    try {
      const { data } = await pane.client.call('/consultation/create', { patientId, doctorId, consultationReason, content, images });
      pane.drafts.order = {};
      const patient = pane.cache.patients?.find(({ id }) => id === patientId);
      pane.store.putOrder({ doctor: pane.doctor(doctorId), patient, ...data });
      pane.replace('pay', { id: data.id });
    } catch (error) {
      problem.textContent = error.message;
      throw error;
    }
  }
  const button = h('button', { class: 'button primary', type: 'button', test: 'order-submit', on: { click: () => busy(button, pane, submit) } }, t('order.submit'));
  const it = pane.doctor(doctorId);
  const example = h('button', { class: 'link', type: 'button', test: 'order-example', on: { click: () => {
    text.value = draft.content = t('order.example.text');
    counted();
  } } }, icon('wand'), t('order.example'));
  return {
    title: t('order.title'),
    body: h('div', { class: 'scroll' },
      h('section', { class: 'card block' }, h('h4', {}, t('order.for')), who),
      h('section', { class: 'card block' }, h('h4', {}, t('order.reason')), why),
      h('section', { class: 'card block' }, h('h4', {}, t('order.content'), example), text, count),
      h('section', { class: 'card block' }, h('h4', {}, t('order.images')), h('p', { class: 'soft small' }, t('order.images.hint')), pictures)),
    foot: h('div', { class: 'screen-foot column' }, problem, h('div', { class: 'screen-foot-line' },
      h('span', { class: 'foot-price' }, h('strong', {}, money(it?.imageAndTextPrice)), ' ', it?.doctorName ?? ''), button)),
  };
}

function pay(pane, { id }) {
  const body = h('div', { class: 'scroll' });
  let moved = false;
  const leave = () => {
    const order = pane.store.orders.get(id);
    const chat = order && pane.store.chatOf(order);
    if (!moved && isOpen(order) && chat) {
      moved = true;
      pane.stack = [{ name: 'chats', params: {} }];
      pane.openChat(chat.id);
      pane.toast(t('pay.done'));
    }
  };
  async function settle(outTradeNo) {
    await pane.client.call('/consultation/payment/sandbox/pay', { outTradeNo });
    // The push may still be on its way; what the lists say counts as well.
    await Promise.all([pane.store.loadOrders(), pane.store.loadChats()]);
    leave();
  }
  loading(pane, body, async () => (await pane.client.call('/consultation/payment/create', { consultationId: id })).data, (payment) => {
    const order = pane.store.orders.get(id);
    const button = h('button', { class: 'button primary wide', type: 'button', test: 'pay-now',
      on: { click: () => busy(button, pane, () => settle(payment.outTradeNo)) } }, t('pay.now', { fee: money(payment.totalFee) }));
    return [
      h('div', { class: 'pay-sum' }, h('span', { class: 'soft' }, t('order.fee')), h('strong', {}, money(payment.totalFee))),
      h('section', { class: 'card block' }, facts([
        [t('order.doctor'), order?.doctor?.doctorName], [t('order.for'), order?.patient?.name],
        [t('order.reason'), order?.consultationReason], [t('order.no'), order?.consultationNo], [t('pay.no'), payment.outTradeNo],
      ])),
      h('section', { class: 'card block sandbox' }, h('h4', {}, icon('shield'), t('pay.sandbox')), h('p', { class: 'soft small' }, t('pay.sandbox.text'))),
      button,
      h('button', { class: 'button quiet wide', type: 'button', test: 'pay-cancel', on: { click: () => moveOrder(pane, order, 'cancel') } }, t('order.cancel')),
    ];
  });
  return { title: t('pay.title'), body, update: leave };
}

export function facts(rows) {
  return h('dl', { class: 'facts' }, rows.filter(([, value]) => value).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

const MOVES = {
  cancel: { status: '02', ask: 'order.cancel.ask' },
  refund: { status: '06', ask: 'order.refund.ask', text: 'order.refund.text' },
  complete: { status: '07', ask: 'order.complete.ask', text: 'order.complete.text' },
};

async function moveOrder(pane, order, what) {
  const { status, ask, text } = MOVES[what];
  const sure = await confirmIn(pane.host, { title: t(ask), text: text && t(text), yes: t('order.yes'), no: t('order.keep'), danger: what !== 'complete' });
  if (sure) {
    try {
      await pane.store.moveOrder(order, status);
      pane.stack.at(-1).name === 'pay' && pane.replace('order', { id: order.id });
    } catch (error) {
      pane.fail(error);
    }
  }
}

function moveButtons(pane, order) {
  const button = (what, label, kind = '') => h('button', { class: `button small ${kind}`, type: 'button', test: `order-${what}`,
    on: { click: () => moveOrder(pane, order, what) } }, t(label));
  return {
    '01': () => button('cancel', 'order.cancel'),
    '03': () => button('refund', 'order.refund'),
    '04': () => button('complete', 'order.complete'),
  }[order?.status]?.() ?? null;
}

function order(pane, { id }) {
  const body = h('div', { class: 'scroll' });
  const foot = h('div', { class: 'screen-foot' });
  let sign = '';
  function update() {
    const it = pane.store.orders.get(id);
    const chat = it && pane.store.chatOf(it);
    const now = `${it?.updated_at}|${it?.status}|${Boolean(chat)}|${it?.doctor?.doctorName}`;
    if (!it || now === sign) {
      return;
    }
    sign = now;
    fill(body,
      h('div', { class: 'order-head' }, statusChip(it.status), h('strong', { class: 'order-fee' }, money(it.fee))),
      h('section', { class: 'card block' }, facts([
        [t('order.doctor'), it.doctor?.doctorName], [t('order.for'), it.patient?.name], [t('order.reason'), it.consultationReason],
        [t('order.no'), it.consultationNo], [t('order.created'), fullTime(it.created_at)], [t('order.paid'), fullTime(it.paid_at)],
      ])),
      h('section', { class: 'card block' }, h('h4', {}, t('order.content')), h('p', { class: 'pre' }, it.content),
        it.images?.length > 0 && h('div', { class: 'pictures' }, it.images.map((url) => h('span', { class: 'thumb' }, h('img', { src: url, alt: t('chat.picture') }))))));
    fill(foot, moveButtons(pane, it),
      it.status === '01' && h('button', { class: 'button primary', type: 'button', test: 'order-pay', on: { click: () => pane.go('pay', { id }) } }, t('order.pay')),
      it.status !== '01' && chat && h('button', { class: 'button primary', type: 'button', test: 'order-chat', on: { click: () => pane.openChat(chat.id) } }, t('order.chat')));
  }
  return { title: t('order.detail'), body, foot, update };
}

// ---- messages ----

function chatRow(pane, chat) {
  const system = chat.type !== '01';
  const name = system ? t('chats.system') : chat.doctor?.doctorName;
  const current = system ? null : pane.store.orderOf(chat);
  return h('button', { class: 'list-row', type: 'button', test: 'chat-row', 'data-type': chat.type, on: { click: () => pane.openChat(chat.id) } },
    system ? h('span', { class: 'avatar system', 'aria-hidden': 'true' }, icon('bell')) : avatar(name, 'doctor'),
    h('span', { class: 'list-lines' },
      h('span', { class: 'list-line' }, h('strong', { class: 'clip' }, name), !system && h('small', { class: 'soft' }, chat.patient?.name),
        h('time', { class: 'soft small' }, shortTime(chat.lastMsgTime))),
      h('span', { class: 'list-line' }, h('span', { class: 'clip soft' }, chat.lastMsgContent || t('chats.empty')),
        current && !chat.unread && statusChip(current.status), unreadBadge(chat.unread, t('chats.unread', { n: chat.unread })))));
}

const chatSignature = (pane, chat) => [chat.lastMsgTime, chat.lastMsgContent, chat.unread, pane.store.orderOf(chat)?.status].join('|');

function chats(pane) {
  const list = h('div', { class: 'list' });
  const state = h('div', {});
  return {
    title: t('chats.title'), tab: 'chats', body: h('div', { class: 'scroll flush' }, state, list),
    update: () => {
      const all = pane.store.chatsByTime();
      showListState(pane, state, all.length, { art: 'chat', title: t('chats.none'), text: t('chats.none.text') });
      patchList(list, all, { key: ({ id }) => id, signature: (chat) => chatSignature(pane, chat), render: (chat) => chatRow(pane, chat) });
    },
  };
}

function showListState(pane, box, n, empty) {
  const { loaded, error } = pane.store;
  const kind = n > 0 ? '' : error ? 'error' : loaded ? 'empty' : 'loading';
  if (box.dataset.kind === kind) {
    return;
  }
  box.dataset.kind = kind;
  fill(box, {
    loading: () => skeleton(3, t('common.loading')),
    empty: () => placeholder(empty),
    error: () => placeholder({ art: 'alert', tone: 'bad', title: t('common.failed'), text: error.message,
      action: h('button', { class: 'button small', type: 'button', on: { click: () => pane.store.load() } }, t('common.retry')) }),
  }[kind]?.());
}

function chat(pane, { chatId }) {
  const view = new ChatView({
    store: pane.store, chatId, host: () => pane.host, toast: (text, options) => pane.toast(text, options),
    onAgain: (it) => pane.go('doctor', { id: it.doctorId ?? idOf(it.doctor) }),
  });
  const action = h('span', { class: 'bar-action' });
  let sign = '';
  return {
    get title() { return view.chat?.type === '01' ? view.chat.doctor?.doctorName ?? '' : t('chats.system'); },
    body: view.el, action, note: view.presence,
    shown: () => view.shown(),
    dispose: () => view.dispose(),
    update: () => {
      const it = view.order;
      const it2 = it?.doctor ?? pane.doctor(it?.doctorId);
      const sub = it ? [it.patient?.name, pane.departmentName(it2)].filter(Boolean).join(' · ') : '';
      if (pane.subtitle.textContent !== sub) {
        pane.subtitle.textContent = sub;
      }
      const now = `${it?.id}|${it?.status}`;
      if (now !== sign) {
        sign = now;
        fill(action, moveButtons(pane, it) ?? (it ? statusChip(it.status) : null));
      }
    },
  };
}

// ---- me ----

function orderRow(pane, it) {
  return h('button', { class: 'list-row', type: 'button', test: 'order-row', on: { click: () => pane.go('order', { id: it.id }) } },
    h('span', { class: 'list-lines' },
      h('span', { class: 'list-line' }, h('strong', {}, it.doctor?.doctorName ?? ''), h('small', { class: 'soft clip' }, it.patient?.name ?? ''), statusChip(it.status)),
      h('span', { class: 'list-line' }, h('span', { class: 'clip soft' }, it.content), h('span', { class: 'soft small' }, shortTime(it.created_at)))), icon('next'));
}

function me(pane) {
  const people = h('div', { class: 'list' });
  const orders = h('div', { class: 'list' });
  const state = h('div', {});
  async function remove(person) {
    const sure = await confirmIn(pane.host, { title: t('patients.delete', { name: person.name }), yes: t('common.delete'), no: t('common.cancel'), danger: true });
    if (sure) {
      try {
        await pane.client.call('/api/patient/delete', { id: person.id });
        pane.toast(t('patients.deleted'));
        showPeople(true);
      } catch (error) {
        pane.fail(error);
      }
    }
  }
  function showPeople(again) {
    loading(pane, people, () => pane.patients(again), (all) => (all.length ? all.map((it) => h('div', { class: 'list-row still', test: 'patient-row' },
      avatar(it.name, 'patient'), h('span', { class: 'list-lines' },
        h('span', { class: 'list-line' }, h('strong', {}, it.name), h('small', { class: 'soft' }, personLine(it))),
        h('span', { class: 'list-line soft small' }, it.certificateNo)),
      h('button', { class: 'icon-button', type: 'button', test: 'patient-delete', 'aria-label': `${t('common.delete')} ${it.name}`, on: { click: () => remove(it) } }, icon('trash'))))
      : placeholder({ art: 'user', title: t('patients.none'), text: t('patients.none.text') })), 1);
  }
  showPeople(false);
  return {
    title: t('me.title'), tab: 'me',
    body: h('div', { class: 'scroll' },
      h('div', { class: 'account' }, h('span', { class: 'soft small' }, t('me.account')), h('code', { test: 'account' }, pane.openId)),
      h('section', { class: 'card' }, h('h4', { class: 'card-title' }, t('patients.title'), h('button', { class: 'link', type: 'button', test: 'add-patient',
        on: { click: () => pane.go('newPatient') } }, icon('plus'), t('patients.add'))), people),
      h('section', { class: 'card' }, h('h4', { class: 'card-title' }, t('orders.title')), state, orders),
      h('button', { class: 'button wide', type: 'button', test: 'restart', on: { click: () => pane.signOut() } }, icon('refresh'), t('me.restart')),
      h('p', { class: 'fine-print' }, icon('shield'), t('welcome.note'))),
    update: () => {
      const all = pane.store.ordersByAge();
      showListState(pane, state, all.length, { art: 'file', title: t('orders.none'), text: t('orders.none.text') });
      patchList(orders, all, { key: ({ id }) => id, signature: (it) => `${it.status}|${it.updated_at}|${it.doctor?.doctorName}`, render: (it) => orderRow(pane, it) });
    },
  };
}

export const SCREENS = { welcome, home, doctor, newPatient, newOrder, pay, order, chats, chat, me };

// The doctor's desk: who waits on the left, the conversation in the middle, the patient's file on
// the right. A new consultation rings but never takes the desk away from what is being written.

import { confirmIn, everySecond, fill, h, icon, patchList, placeholder, skeleton, viewImage } from './dom.js';
import { fullTime, money, onLanguage, shortTime, span, t } from './i18n.js';
import { avatar, busy, field, Pane, unreadBadge } from './pane.js';
import { ChatView, statusChip } from './chat.js';
import { facts, personLine } from './patient_screens.js';
import { isOpen } from './store.js';

const DEMO_NUMBERS = ['00001', '00002', '00003'];
const DEMO_PASSWORD = '123456';
const RING_MS = 12_000;
const FILTERS = {
  all: () => true,
  wait: (order) => order?.status === '03',
  open: (order) => order?.status === '04',
  done: (order) => order && !['01', '03', '04', '06'].includes(order.status),
};

export class DoctorPane extends Pane {
  constructor(root, options) {
    super('doctor', root, options);
    this.node = options.socketOrigin === location.origin ? '' : new URL(options.socketOrigin).host;
    this.draft = { doctorSn: DEMO_NUMBERS[0], password: DEMO_PASSWORD };
    this.forgetAll();
    this.store.watch(() => this.#update());
    onLanguage(() => this.render());
    this.render();
    this.#comeBack();
  }

  forgetAll() {
    this.doctor = null;
    this.chatId = null;
    this.filter = 'all';
    this.fileShown = false;
    this.rung = null;
    this.rings = new Map();
    this.store.forget();
    this.store.drafts = new Map();
  }

  // ---- session ----

  #comeBack() {
    const kept = this.session.load();
    if (kept.token && kept.doctor) {
      this.#enter(kept.token, kept.doctor);
    }
  }

  #enter(token, doctor) {
    this.doctor = doctor;
    this.store.me = doctor.id ?? doctor._id;
    this.session.save({ token, doctor });
    this.client.connect(token);
    this.render();
  }

  async signIn() {
    const { data } = await this.client.call('/api/doctor/signin', this.draft);
    this.#enter(data.token, { ...data.doctor, id: data.doctorId });
  }

  expired() {
    this.signOut();
    this.toast(t('common.expired'), { tone: 'bad' });
  }

  signOut() {
    this.session.clear();
    this.client.forget();
    this.forgetAll();
    this.render();
  }

  // ---- the desk ----

  render() {
    this.view?.dispose();
    this.view = null;
    const body = h('div', { class: 'desk-body' });
    this.host = h('div', { class: 'desk-screen' }, body);
    fill(this.root,
      h('div', { class: 'pane-bar' }, h('h2', { class: 'pane-name', id: 'doctor-name' }, icon('stethoscope'), t('pane.doctor'),
        this.node && h('span', { class: 'tag' }, t('desk.node', { host: this.node }))), this.lineBox),
      h('div', { class: 'desk' }, this.host));
    this.setHost(this.host);
    if (!this.doctor) {
      fill(body, this.#signInScreen());
      return;
    }
    this.list = h('div', { class: 'list', test: 'desk-list' });
    this.listState = h('div', {});
    this.stats = h('div', { class: 'stats' });
    this.filters = h('div', { class: 'chips tight', role: 'group', 'aria-label': t('desk.list') });
    this.middle = h('section', { class: 'desk-chat', 'aria-label': t('chat.log') });
    this.file = h('aside', { class: 'desk-file', 'aria-label': t('desk.file'), test: 'desk-file' });
    this.desk = h('div', { class: 'desk-grid', test: 'desk' },
      h('section', { class: 'desk-side', 'aria-label': t('desk.list') }, this.#card(), this.filters, h('div', { class: 'scroll flush' }, this.listState, this.list)),
      this.middle, this.file);
    fill(body, this.banner, this.desk);
    this.#openChat(this.chatId);
    this.#update();
  }

  #signInScreen() {
    const input = (name, extra) => h('input', { class: 'field-input', value: this.draft[name], test: `doctor-${name}`, ...extra,
      on: { input: (event) => { this.draft[name] = event.target.value; } } });
    const sn = field(t('desk.sn'), input('doctorSn', { autocomplete: 'username', maxlength: '64' }));
    const password = field(t('desk.password'), input('password', { type: 'password', autocomplete: 'current-password', maxlength: '128' }));
    const button = h('button', { class: 'button primary doctor wide', type: 'submit', test: 'doctor-sign-in' }, t('desk.enter'));
    const pick = (number) => h('button', { class: 'chip-button', type: 'button', test: 'demo-doctor', on: { click: () => {
      this.draft = { doctorSn: number, password: DEMO_PASSWORD };
      sn.input.value = number;
      password.input.value = DEMO_PASSWORD;
    } } }, number);
    return h('div', { class: 'signin', test: 'screen-doctor-signin' },
      h('form', { class: 'signin-card', on: { submit: (event) => {
        event.preventDefault();
        busy(button, this, () => this.signIn());
      } } },
      h('span', { class: 'signin-mark', 'aria-hidden': 'true' }, icon('stethoscope')),
      h('h3', {}, t('desk.signin')), h('p', { class: 'soft' }, t('desk.signin.text')),
      sn.box, password.box, button,
      h('div', { class: 'signin-demo' }, h('p', { class: 'soft small' }, t('desk.demo.text')),
        h('div', { class: 'chips tight', role: 'group', 'aria-label': t('desk.demo') }, DEMO_NUMBERS.map(pick)))));
  }

  #card() {
    const it = this.doctor;
    return h('div', { class: 'desk-card' },
      h('div', { class: 'desk-who' }, avatar(it.doctorName, 'doctor'),
        h('div', { class: 'list-lines' }, h('strong', { test: 'doctor-name' }, it.doctorName),
          h('span', { class: 'soft small clip' }, [it.title, it.departmentName].filter(Boolean).join(' · '))),
        h('button', { class: 'icon-button', type: 'button', test: 'doctor-sign-out', 'aria-label': t('desk.signout'), title: t('desk.signout'),
          on: { click: () => this.signOut() } }, icon('exit'))),
      it.imageAndTextOpen === false && h('p', { class: 'desk-closed' }, icon('alert'), t('desk.closed')));
  }

  #chats() {
    return this.store.chatsByTime().filter((chat) => FILTERS[this.filter](chat.type === '01' ? this.store.orderOf(chat) : null));
  }

  #update() {
    if (!this.doctor || !this.list) {
      return;
    }
    this.#ring();
    this.#updateFilters();
    const chats = this.#chats();
    this.#updateListState(chats.length);
    patchList(this.list, chats, {
      key: ({ id }) => id, render: (chat) => this.#row(chat),
      signature: (chat) => [chat.id === this.chatId, chat.lastMsgTime, chat.lastMsgContent, chat.unread,
        this.store.orderOf(chat)?.status, this.store.isTyping(chat.id)].join('|'),
    });
    this.#updateEmpty();
    this.#updateHead();
    this.#updateFile();
  }

  #updateEmpty() {
    const some = [...this.store.chats.values()].some(({ type }) => type === '01');
    const kind = this.view || !this.store.loaded ? '' : some ? 'pick' : 'none';
    if (kind && this.middle.firstElementChild?.dataset.kind !== kind) {
      const box = placeholder({ art: 'stethoscope', title: t(`desk.${kind}`), text: t(`desk.${kind}.text`) });
      box.dataset.kind = kind;
      fill(this.middle, box);
    }
  }

  #updateFilters() {
    const patients = [...this.store.chats.values()].filter(({ type }) => type === '01');
    const count = (name) => patients.filter((chat) => FILTERS[name](this.store.orderOf(chat))).length;
    const sign = `${this.filter}|${Object.keys(FILTERS).map(count).join()}`;
    if (this.filters.dataset.sign === sign) {
      return;
    }
    const focused = document.activeElement?.dataset?.filter;
    this.filters.dataset.sign = sign;
    fill(this.filters, Object.keys(FILTERS).map((name) => h('button', { class: 'chip-button', type: 'button', test: `filter-${name}`, 'data-filter': name,
      'aria-pressed': String(this.filter === name), on: { click: () => { this.filter = name; this.#update(); } } },
    t(`desk.filter.${name}`), ['wait', 'open'].includes(name) && count(name) > 0 && h('span', { class: 'chip-count' }, count(name)))));
    focused && this.filters.querySelector(`[data-filter="${focused}"]`)?.focus();
  }

  #updateListState(n) {
    const { loaded, error } = this.store;
    const kind = n > 0 ? '' : error ? 'error' : loaded ? `empty-${this.filter}` : 'loading';
    if (this.listState.dataset.kind === kind) {
      return;
    }
    this.listState.dataset.kind = kind;
    const views = {
      loading: () => skeleton(3, t('common.loading')),
      error: () => placeholder({ art: 'alert', tone: 'bad', title: t('common.failed'), text: error.message,
        action: h('button', { class: 'button small', type: 'button', on: { click: () => this.store.load() } }, t('common.retry')) }),
      'empty-all': () => placeholder({ art: 'chat', title: t('desk.none'), text: t('desk.none.text') }),
    };
    fill(this.listState, kind.startsWith('empty') && kind !== 'empty-all'
      ? placeholder({ art: 'chat', title: t('desk.none.filter') }) : views[kind]?.());
  }

  #row(chat) {
    const system = chat.type !== '01';
    const order = system ? null : this.store.orderOf(chat);
    const name = system ? t('chats.system') : chat.patient?.name;
    const rest = h('span', { class: 'row-clock' });
    isOpen(order) && order.deadline && everySecond(rest, (_, now) => {
      rest.textContent = span(Date.parse(order.deadline) - now);
    });
    return h('button', { class: 'list-row', type: 'button', test: 'desk-row', 'data-type': chat.type, 'data-name': name,
      'aria-current': chat.id === this.chatId ? 'true' : null, on: { click: () => this.#openChat(chat.id, true) } },
    system ? h('span', { class: 'avatar system', 'aria-hidden': 'true' }, icon('bell')) : avatar(name, 'patient'),
    h('span', { class: 'list-lines' },
      h('span', { class: 'list-line' }, h('strong', { class: 'clip' }, name), h('time', { class: 'soft small' }, shortTime(chat.lastMsgTime))),
      h('span', { class: 'list-line' }, h('span', { class: 'clip soft' },
        this.store.isTyping(chat.id) ? t('chat.typing') : chat.lastMsgContent || t('chats.empty')), unreadBadge(chat.unread, t('chats.unread', { n: chat.unread }))),
      order && h('span', { class: 'list-line' }, statusChip(order.status), rest)));
  }

  /** The desk rings once for each consultation that became payable work since it was opened. */
  #ring() {
    const waiting = [...this.store.orders.values()].filter(({ status }) => status === '03');
    if (!this.store.loaded) {
      return;
    }
    const first = this.rung === null;
    this.rung ??= new Set();
    for (const order of waiting.filter(({ id }) => !this.rung.has(id))) {
      const chat = this.store.chatOf(order);
      if (first || chat) {
        this.rung.add(order.id);
      }
      if (!first && chat) {
        this.rings.set(chat.id, this.toast(t('desk.new', { name: chat.patient?.name ?? '' }), { tone: 'ring', ms: RING_MS,
          action: { label: t('desk.view'), run: () => this.#openChat(chat.id, true) } }));
      }
    }
  }

  // ---- the conversation ----

  #openChat(chatId, focus = false) {
    this.view?.dispose();
    this.view = null;
    this.chatId = chatId;
    this.rings.get(chatId)?.remove();
    this.desk.classList.toggle('chat-open', Boolean(chatId));
    if (!chatId) {
      fill(this.middle);
      this.#update();
      return;
    }
    this.view = new ChatView({ store: this.store, chatId, host: () => this.host, toast: (text, options) => this.toast(text, options) });
    this.head = h('header', { class: 'desk-head' });
    fill(this.middle, this.head, this.view.el);
    this.#update();
    this.view.shown();
    focus && this.view.input?.focus({ preventScroll: true });
  }

  #updateHead() {
    const { chat, order } = this.view ?? {};
    const sign = `${chat?.id}|${order?.id}|${order?.status}|${order?.patient?.name}|${this.fileShown}`;
    if (!this.view || this.head.dataset.sign === sign) {
      return;
    }
    this.head.dataset.sign = sign;
    const name = chat?.type === '01' ? chat.patient?.name : t('chats.system');
    fill(this.head,
      h('button', { class: 'icon-button desk-back', type: 'button', 'aria-label': t('common.back'), test: 'desk-back', on: { click: () => this.#openChat(null) } }, icon('back')),
      h('div', { class: 'screen-heading' }, h('h3', { test: 'desk-title' }, name),
        h('div', { class: 'screen-line' }, h('p', { class: 'screen-subtitle' }, order?.patient ? personLine(order.patient) : ''), this.view.presence)),
      order && statusChip(order.status),
      order?.status === '04' && h('button', { class: 'button small', type: 'button', test: 'order-complete', on: { click: () => this.#complete(order) } }, t('order.complete')),
      chat?.type === '01' && h('button', { class: 'icon-button file-toggle', type: 'button', test: 'file-toggle', 'aria-label': t('desk.file.show'), title: t('desk.file'),
        'aria-expanded': String(this.fileShown), on: { click: () => { this.fileShown = !this.fileShown; this.#update(); } } }, icon('file')));
  }

  async #complete(order) {
    const sure = await confirmIn(this.host, { title: t('order.complete.ask'), text: t('order.complete.text'), yes: t('order.yes'), no: t('order.keep') });
    if (sure) {
      await this.store.moveOrder(order, '07').catch((error) => this.fail(error));
    }
  }

  // ---- the patient's file ----

  #updateFile() {
    const { chat, order } = this.view ?? {};
    const shown = Boolean(order);
    this.desk.classList.toggle('with-file', shown);
    this.desk.classList.toggle('file-open', shown && this.fileShown);
    const all = shown ? this.store.ordersOf(chat) : [];
    const sign = all.map((it) => `${it.id}${it.status}${it.paid_at}${it.patient?.name}`).join();
    if (this.file.dataset.sign === sign) {
      return;
    }
    this.file.dataset.sign = sign;
    if (!shown) {
      fill(this.file);
      return;
    }
    const person = order.patient ?? {};
    fill(this.file,
      h('div', { class: 'file-top' }, h('h3', {}, t('desk.file')), h('button', { class: 'icon-button file-close', type: 'button', 'aria-label': t('common.close'),
        on: { click: () => { this.fileShown = false; this.#update(); } } }, icon('close'))),
      h('div', { class: 'file-person' }, avatar(person.name, 'patient big'), h('div', {}, h('strong', { test: 'file-name' }, person.name ?? chat.patient?.name),
        h('p', { class: 'soft small' }, person.birthday ? personLine(person) : ''))),
      facts([[t('desk.certificate'), person.certificateNo], [t('desk.birthday'), person.birthday], [t('desk.card'), person.patientIdNo || t('desk.card.none')]]),
      h('h4', {}, t('desk.case')),
      h('p', { class: 'file-case pre', test: 'file-content' }, order.content),
      order.images?.length > 0 && h('div', { class: 'pictures' }, order.images.map((url) => h('button', { class: 'thumb', type: 'button', 'aria-label': t('chat.open.picture'),
        on: { click: () => viewImage(this.host, url, t('chat.picture'), t('common.close')) } }, h('img', { src: url, alt: '' })))),
      facts([[t('order.reason'), order.consultationReason], [t('order.no'), order.consultationNo], [t('order.paid'), fullTime(order.paid_at)], [t('order.fee'), money(order.fee)]]),
      all.length > 1 && [h('h4', {}, t('desk.history')), h('ul', { class: 'history' }, all.slice(1).map((it) => h('li', {},
        h('span', { class: 'clip' }, it.content), statusChip(it.status))))]);
  }
}

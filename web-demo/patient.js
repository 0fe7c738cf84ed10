// The patient's phone: its session and the way between its screens. The screens are in
// patient_screens.js; each is a function of (pane, params) giving {title, body, foot, update, …}.

import { fill, h, icon } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { inventOpenId } from './people.js';
import { Pane, unreadBadge } from './pane.js';
import { SCREENS } from './patient_screens.js';

const TABS = [['home', 'home'], ['chats', 'chat'], ['me', 'user']];

export class PatientPane extends Pane {
  constructor(root, options) {
    super('patient', root, options);
    this.stack = [{ name: 'welcome', params: {} }];
    this.forgetAll();
    this.#frame();
    this.store.watch(() => this.#update());
    onLanguage(() => { this.#frame(); this.render(); });
    this.render();
    this.#comeBack();
  }

  forgetAll() {
    this.openId = inventOpenId();
    this.cache = { departments: null, doctors: new Map(), reasons: null, patients: null };
    this.drafts = { patient: {}, order: {} };
    this.store.forget();
    this.store.drafts = new Map();
  }

  // ---- session ----

  async #comeBack() {
    const { openId } = this.session.load();
    if (openId) {
      this.openId = openId;
      await this.signIn(false).catch(() => this.session.clear());
    }
  }

  async signIn(signUpFirst) {
    const { openId } = this;
    if (signUpFirst) {
      await this.client.call('/api/user/signup', { openId });
    }
    const answer = await this.client.call('/api/user/signin', { openId });
    this.store.me = answer.userId;
    this.session.save({ openId });
    this.client.connect(answer.token);
    this.reset('home');
  }

  /** The phone fetches a new token by itself, as an app would. */
  async renew() {
    return (await this.client.call('/api/user/signin', { openId: this.openId })).token;
  }

  expired() {
    this.signOut();
    this.toast(t('common.expired'), { tone: 'bad' });
  }

  signOut() {
    this.session.clear();
    this.client.forget();
    this.forgetAll();
    this.reset('welcome');
  }

  // ---- screens ----

  go(name, params = {}) {
    this.stack.push({ name, params });
    this.render(true);
  }

  replace(name, params = {}) {
    this.stack.pop();
    this.go(name, params);
  }

  back() {
    if (this.stack.length > 1) {
      this.stack.pop();
    }
    this.render(true);
  }

  reset(name) {
    this.stack = [{ name, params: {} }];
    this.render(true);
  }

  #frame() {
    this.screenBox = h('div', { class: 'screen-box' });
    this.host = h('div', { class: 'phone-screen' }, this.screenBox);
    fill(this.root,
      h('div', { class: 'pane-bar' }, h('h2', { class: 'pane-name', id: 'patient-name' }, icon('user'), t('pane.patient')), this.lineBox),
      h('div', { class: 'phone' }, this.host));
    this.setHost(this.host);
  }

  render(moved = false) {
    this.screen?.dispose?.();
    const { name, params } = this.stack.at(-1);
    const screen = SCREENS[name](this, params);
    this.screen = screen;
    const heading = h('h3', { class: 'screen-title', tabindex: '-1', test: 'screen-title' }, screen.title);
    this.subtitle = h('p', { class: 'screen-subtitle' });
    const bar = screen.bare ? null : h('header', { class: 'screen-bar' },
      this.stack.length > 1
        ? h('button', { class: 'icon-button', type: 'button', 'aria-label': t('common.back'), test: 'back',
          on: { click: () => this.back() } }, icon('back')) : !screen.tab && h('span', { class: 'icon-button blank' }),
      h('div', { class: 'screen-heading' }, heading, h('div', { class: 'screen-line' }, this.subtitle, screen.note)),
      screen.action ?? (!screen.tab && h('span', { class: 'icon-button blank' })));
    this.tabs = screen.tab ? this.#tabBar(screen.tab) : null;
    fill(this.screenBox, h('section', { class: `screen screen-${name}`, test: `screen-${name}`, 'aria-label': screen.title },
      bar, this.banner, screen.body, screen.foot, this.tabs));
    screen.shown?.();
    if (moved) {
      (screen.bare ? null : heading)?.focus({ preventScroll: true });
    }
    this.#update();
  }

  #tabBar(current) {
    return h('nav', { class: 'tabs', 'aria-label': t('app.views') }, TABS.map(([name, art]) => {
      const badge = h('span', { class: 'tab-badge' });
      return h('button', { class: 'tab', type: 'button', test: `tab-${name}`, 'aria-current': name === current ? 'page' : null,
        on: { click: () => this.reset(name) } }, icon(art), h('span', {}, t(`tab.${name}`)), name === 'chats' && badge);
    }));
  }

  #update() {
    this.screen?.update?.();
    const badge = this.tabs?.querySelector('.tab-badge');
    const unread = this.store.unread();
    if (badge && badge.dataset.shown !== String(unread)) {
      badge.dataset.shown = String(unread);
      fill(badge, unreadBadge(unread, t('chats.unread', { n: unread })));
    }
  }

  // ---- what several screens need ----

  async reasons() {
    this.cache.reasons ??= (await this.client.call('/api/consultationReason/list')).data;
    return this.cache.reasons;
  }

  async departments() {
    this.cache.departments ??= (await this.client.call('/api/department/list')).data;
    return this.cache.departments;
  }

  async patients(again = false) {
    if (again || !this.cache.patients) {
      this.cache.patients = (await this.client.call('/api/patient/list', { userId: this.store.me })).data;
    }
    return this.cache.patients;
  }

  keepDoctors(doctors) {
    for (const doctor of doctors) {
      this.cache.doctors.set(doctor.id ?? doctor._id, doctor);
    }
  }

  doctor(id) {
    return this.cache.doctors.get(id);
  }

  openChat(chatId) {
    this.go('chat', { chatId });
  }

  departmentName(doctor) {
    return doctor?.departmentName
      ?? this.cache.departments?.find(({ id }) => id === doctor?.departmentId)?.name ?? '';
  }
}

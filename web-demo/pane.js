// What both panes share: the line's state with its switch, the banner over a pane, the session
// kept over a reload, and the wiring of client and store.

import { fill, h, icon, Toasts, everySecond } from './dom.js';
import { t } from './i18n.js';
import { browserStorage, ConsultdClient } from './consultd-client.js';
import { SIDES, Store } from './store.js';

export function session(side) {
  const name = `consultd.${side}`;
  return {
    load() {
      try {
        return JSON.parse(sessionStorage.getItem(name)) ?? {};
      } catch {
        return {};
      }
    },
    save: (value) => sessionStorage.setItem(name, JSON.stringify(value)),
    clear: () => sessionStorage.removeItem(name),
  };
}

const WORDS = { NETWORK: 'net.error', OFFLINE: 'net.error', TIMEOUT: 'net.timeout', BAD_ANSWER: 'net.bad' };

/** A frame as the drawer shows it. */
function shownFrame(side, { direction, way, name, payload }) {
  if (way === 'socket' && (name === 'open' || name === 'close')) {
    const words = name === 'open' ? t('frames.opened') : `${t('frames.closed')} ${payload.code}`;
    return { side, direction, way, name: words, payload: null };
  }
  return { side, direction, way, name, payload };
}

/** A pane of the page: its line, what it knows, and its place in the document. */
export class Pane {
  constructor(side, root, { socketOrigin, onFrame }) {
    this.side = side;
    this.root = root;
    this.session = session(side);
    this.client = new ConsultdClient({
      side: SIDES[side].own, socketOrigin, storage: browserStorage(sessionStorage), words: (reason) => t(WORDS[reason]),
      renew: () => this.renew(), onFrame: (frame) => onFrame(shownFrame(side, frame)),
    });
    this.store = new Store(side, this.client);
    this.client.on('state', () => { this.#lineChanged(); this.store.changed(); });
    this.client.on('ready', ({ reload }) => this.#ready(reload));
    this.client.on('expired', () => this.expired());
    this.lineBox = h('div', { class: 'line' });
    this.banner = h('div', { class: 'banner', role: 'status', hidden: true, test: 'banner' });
    this.waiting = [];
  }

  /** Call once the pane's box for dialogs and toasts exists; again after it was rebuilt. */
  setHost(host) {
    this.host = host;
    this.toasts = new Toasts(host);
    this.#lineChanged();
  }

  toast(text, options) {
    return this.toasts.show(text, options);
  }

  fail(error) {
    this.toast(error.message, { tone: 'bad' });
  }

  /** A new token, or null where the person has to sign in. */
  async renew() {
    return null;
  }

  /** Runs `work` once, when the line is there again. */
  whenLive(work) {
    this.waiting.push(work);
  }

  async #ready(reload) {
    this.waiting.splice(0).forEach((work) => work());
    if (reload) {
      const ok = await this.store.load();
      if (ok) {
        await this.store.reloadThreads();
        this.client.reloaded();
      }
    }
  }

  // ---- the line ----

  #lineChanged() {
    const { client } = this;
    const label = h('span', {});
    const pill = h('span', { class: `pill net-${client.state}`, test: 'net-state', 'data-state': client.state, role: 'status' },
      h('i', { class: 'pill-dot', 'aria-hidden': 'true' }), label);
    everySecond(pill, (_, now) => {
      const words = t(`net.${client.state}`, { s: Math.max(1, Math.ceil((client.retryAt - now) / 1000)) });
      if (label.textContent !== words) {
        label.textContent = words;
      }
    });
    const focused = this.lineBox.contains(document.activeElement);
    fill(this.lineBox, pill, this.#switch());
    focused && this.lineBox.querySelector('.switch').focus();
    this.#showBanner();
  }

  #switch() {
    const on = this.client.networkOn;
    return h('button', { class: 'switch', type: 'button', role: 'switch', test: 'net-switch', 'aria-checked': String(on),
      'aria-label': t(`net.switch.${this.side}`), disabled: this.client.token === null,
      on: { click: () => this.client.setNetwork(!on) } },
    icon(on ? 'wifi' : 'wifiOff'), h('span', {}, t('net.switch')), h('i', { class: 'switch-track', 'aria-hidden': 'true' }));
  }

  #showBanner() {
    const { state, closeCode } = this.client;
    const key = `net.banner.${state}`;
    const shown = ['offline', 'waiting', 'syncing', 'stopped'].includes(state);
    this.banner.hidden = !shown;
    this.banner.className = `banner banner-${state}`;
    if (shown) {
      const retry = ['waiting', 'stopped'].includes(state)
        && h('button', { class: 'link', type: 'button', test: 'net-retry', on: { click: () => this.client.retryNow() } }, t('net.retry'));
      fill(this.banner, icon(state === 'syncing' ? 'refresh' : 'wifiOff'), h('span', { class: 'banner-text' }, t(key, { code: closeCode })), retry);
    }
  }
}

/** Runs `work` while the button shows that it is busy; a failure is said in the pane. */
export async function busy(button, pane, work) {
  button.disabled = true;
  button.classList.add('busy');
  button.setAttribute('aria-busy', 'true');
  try {
    return await work();
  } catch (error) {
    pane.fail(error);
    return undefined;
  } finally {
    button.disabled = false;
    button.classList.remove('busy');
    button.removeAttribute('aria-busy');
  }
}

export function avatar(name, side = '') {
  return h('span', { class: `avatar ${side}`, 'aria-hidden': 'true' }, [...(name || '·')].slice(0, 1).join(''));
}

export function unreadBadge(n, label) {
  return n > 0 && h('span', { class: 'badge', test: 'unread', 'data-unread': n, 'aria-label': label }, n > 99 ? '99+' : n);
}

/** A labelled field with room for its error. */
export function field(label, input, { hint, test } = {}) {
  const error = h('p', { class: 'field-error', role: 'alert', test: test && `${test}-error` });
  const box = h('label', { class: 'field' }, h('span', { class: 'field-label' }, label), input,
    hint && h('span', { class: 'field-hint' }, hint), error);
  return { box, input, say: (text) => {
    error.textContent = text;
    input.setAttribute('aria-invalid', String(Boolean(text)));
  } };
}

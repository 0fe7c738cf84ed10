// The drawer at the foot of the page: every frame of both sides as it goes by, each side in its
// colour. Tokens, signatures and passwords are masked before anything is kept.

import { fill, h, icon, placeholder } from './dom.js';
import { onLanguage, t } from './i18n.js';

const KEPT_MOST = 300;
const MASKED = new Set(['token', 'usersig', 'password']);

export function masked(value, name = '') {
  if (MASKED.has(name) && typeof value === 'string' && value) {
    return `${value.slice(0, 4)}••••••`;
  }
  if (Array.isArray(value)) {
    return value.map((item) => masked(item));
  }
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, key)]));
  }
  return value;
}

function clock(date) {
  const two = (n, width = 2) => String(n).padStart(width, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}

export class Frames {
  constructor(root, onToggle) {
    this.root = root;
    this.onToggle = onToggle;
    this.kept = [];
    this.missed = 0;
    this.paused = false;
    this.open = false;
    this.shown = { patient: true, doctor: true, ping: false };
    onLanguage(() => this.#build());
    this.#build();
  }

  /** Takes what a client reports; hand it over as a plain function. */
  take = (frame) => {
    if (this.paused) {
      this.missed += 1;
      this.#counts();
      return;
    }
    const text = frame.payload === null ? '' : JSON.stringify(masked(frame.payload), null, 2);
    this.kept.push({ ...frame, payload: null, text, at: new Date() });
    const over = this.kept.length > KEPT_MOST;
    over && this.kept.shift();
    if (this.open && this.#passes(this.kept.at(-1))) {
      this.list.append(this.#row(this.kept.at(-1)));
      over && this.list.firstElementChild.remove();
      this.#follow();
    }
    this.#counts();
    this.empty.hidden = this.kept.length > 0;
  };

  toggle(open = !this.open) {
    this.open = open;
    this.root.classList.toggle('open', open);
    this.handle.setAttribute('aria-expanded', String(open));
    this.body.hidden = !open;
    open && this.#fillList();
    this.onToggle?.(open);
  }

  #passes(frame) {
    return this.shown[frame.side] && (frame.name !== 'ping' || this.shown.ping);
  }

  #build() {
    const check = (name, label) => h('label', { class: `frames-check side-${name}` },
      h('input', { type: 'checkbox', checked: this.shown[name], test: `frames-${name}`,
        on: { change: (event) => { this.shown[name] = event.target.checked; this.#fillList(); } } }), label);
    this.count = h('span', { class: 'frames-count', test: 'frames-count' });
    this.note = h('span', { class: 'frames-note' });
    this.pauseButton = h('button', { class: 'button small quiet', type: 'button', test: 'frames-pause', on: { click: () => this.#pause() } });
    this.handle = h('button', { class: 'frames-handle', type: 'button', test: 'frames-toggle', on: { click: () => this.toggle() } },
      icon('frames'), h('span', {}, t('frames.title')), this.count, icon('up', 'frames-arrow'));
    this.list = h('ol', { class: 'frames-list', test: 'frames-list', tabindex: '0', 'aria-label': t('frames.title') });
    this.empty = placeholder({ art: 'frames', title: t('frames.none'), text: t('frames.none.text') });
    this.body = h('div', { class: 'frames-body' },
      h('div', { class: 'frames-bar' }, check('patient', t('frames.patient')), check('doctor', t('frames.doctor')), check('ping', t('frames.ping')),
        this.note, this.pauseButton, h('button', { class: 'button small quiet', type: 'button', test: 'frames-clear',
          on: { click: () => { this.kept = []; this.#fillList(); } } }, t('frames.clear'))),
      h('div', { class: 'frames-scroll' }, this.empty, this.list));
    this.root.setAttribute('aria-label', t('frames.title'));
    fill(this.root, this.handle, this.body);
    this.#pauseLabel();
    this.toggle(this.open);
  }

  #pause() {
    this.paused = !this.paused;
    this.missed = 0;
    this.#pauseLabel();
  }

  #pauseLabel() {
    fill(this.pauseButton, icon(this.paused ? 'play' : 'pause'), t(this.paused ? 'frames.resume' : 'frames.pause'));
    this.pauseButton.setAttribute('aria-pressed', String(this.paused));
    this.#counts();
  }

  #counts() {
    this.count.textContent = t('frames.count', { n: this.kept.length });
    this.note.textContent = this.paused && this.missed ? t('frames.missed', { n: this.missed }) : '';
  }

  #fillList() {
    fill(this.list, this.kept.filter((frame) => this.#passes(frame)).map((frame) => this.#row(frame)));
    this.empty.hidden = this.kept.length > 0;
    this.#counts();
    this.#follow(true);
  }

  #follow(always = false) {
    const box = this.list.parentElement;
    if (always || box.scrollHeight - box.scrollTop - box.clientHeight < 120) {
      box.scrollTop = box.scrollHeight;
    }
  }

  #row(frame) {
    const out = frame.direction === 'out';
    const answer = frame.way === 'socket' && !out && frame.text && !frame.text.includes('"event"');
    const summary = h('summary', { class: 'frame-line' },
      h('time', { class: 'frame-time' }, clock(frame.at)),
      h('span', { class: 'frame-side' }, t(`frames.${frame.side}`)),
      h('span', { class: `frame-arrow ${frame.direction}`, 'aria-label': t(`frames.${frame.direction}`) }, out ? '↑' : '↓'),
      h('span', { class: 'frame-way' }, frame.way === 'rest' ? 'REST' : 'WS'),
      h('span', { class: 'frame-name' }, frame.name, (answer || (frame.way === 'rest' && !out)) && h('em', {}, t('frames.answer'))),
      h('span', { class: 'frame-size' }, frame.text ? `${new Blob([frame.text]).size} B` : ''));
    return h('li', { class: `frame side-${frame.side}`, test: 'frame', 'data-side': frame.side, 'data-name': frame.name },
      frame.text ? h('details', {}, summary, h('pre', { class: 'frame-text' }, frame.text)) : h('div', { class: 'frame-plain' }, ...summary.childNodes));
  }
}

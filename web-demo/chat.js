// A conversation as one side sees it: messages by `seq`, notices, tombstones, what is still on its
// way, and the composer. Used by the phone and by the desk alike.

import { fill, h, icon, patchList, placeholder, skeleton, viewImage, everySecond } from './dom.js';
import { clockOf, dayLabel, dayOf, has, shortTime, span, t } from './i18n.js';
import { PICTURES, VOICES } from './people.js';
import { isOpen, isOwn, noticeOf } from './store.js';

const TEXT_MOST = 2000;
const NEAR_END_PX = 80;
const HOUR_MS = 3_600_000;
const WHOLE_MS = 48 * HOUR_MS;
const REPLIES = 3;

/** The 48-hour clock and the replies left, from what `consultation.updated` carries. */
export function orderMeter(order, side) {
  const left = order.repliesLeft ?? REPLIES;
  const time = h('strong', { class: 'meter-time', test: 'deadline' });
  const bar = h('i', { class: 'meter-bar' });
  const meter = h('div', { class: 'meter', test: 'meter' },
    h('div', { class: 'meter-clock', role: 'timer', 'aria-live': 'off' }, icon('clock'), h('span', {}, t('chat.left')), time),
    h('div', { class: 'meter-replies', test: 'replies-left', 'data-left': left },
      h('span', { class: 'dots', 'aria-hidden': 'true' },
        Array.from({ length: REPLIES }, (_, i) => h('i', { class: i < left ? 'on' : '' }))),
      h('span', {}, t(side === 'patient' ? 'chat.replies.user' : 'chat.replies.doctor', { n: left }))),
    h('div', { class: 'meter-track', 'aria-hidden': 'true' }, bar));
  return everySecond(meter, (_, now) => {
    const rest = Date.parse(order.deadline) - now;
    time.textContent = order.deadline ? (rest > 0 ? span(rest) : t('chat.over')) : '--:--:--';
    bar.style.width = `${Math.max(0, Math.min(100, (rest / WHOLE_MS) * 100))}%`;
    meter.classList.toggle('late', rest < 6 * HOUR_MS);
  });
}

export function statusChip(status) {
  return h('span', { class: `chip status-${status}`, test: 'status', 'data-status': status },
    has(`status.${status}`) ? t(`status.${status}`) : status);
}

function waveform(seed) {
  let n = [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 7);
  return Array.from({ length: 18 }, () => {
    n = (n * 137 + 89) % 9973;
    return h('i', { class: `wave-${1 + (n % 5)}` });
  });
}

function voiceBubble(url) {
  const audio = h('audio', { src: url, preload: 'metadata' });
  const length = h('span', { class: 'voice-length' });
  const button = h('button', { class: 'voice', type: 'button', test: 'voice', 'aria-label': t('chat.voice.play') },
    icon('play'), h('span', { class: 'voice-wave', 'aria-hidden': 'true' }, waveform(url)), length);
  const show = (playing) => {
    button.classList.toggle('playing', playing);
    button.setAttribute('aria-label', t(playing ? 'chat.voice.pause' : 'chat.voice.play'));
    button.firstChild.replaceWith(icon(playing ? 'pause' : 'play'));
  };
  const failed = () => {
    fill(button, icon('alert'), h('span', {}, t('chat.voice.bad')));
    button.disabled = true;
  };
  audio.addEventListener('loadedmetadata', () => {
    length.textContent = Number.isFinite(audio.duration) ? `${Math.max(1, Math.round(audio.duration))}″` : '';
    button.dataset.ready = 'true';
  });
  audio.addEventListener('error', failed);
  audio.addEventListener('play', () => show(true));
  audio.addEventListener('pause', () => show(false));
  audio.addEventListener('ended', () => show(false));
  button.addEventListener('click', () => (audio.paused ? audio.play().catch(failed) : audio.pause()));
  return h('div', { class: 'voice-box' }, audio, button);
}

function pictureBubble(url, host) {
  const image = h('img', { src: url, alt: t('chat.picture'), test: 'picture', loading: 'eager' });
  const button = h('button', { class: 'picture', type: 'button', 'aria-label': t('chat.open.picture'),
    on: { click: () => viewImage(host(), url, t('chat.picture'), t('common.close')) } }, image);
  image.addEventListener('error', () => {
    fill(button, icon('image'), h('span', {}, t('chat.picture.bad')));
    button.classList.add('broken');
    button.disabled = true;
  });
  return button;
}

function content(message, host) {
  if (message.image) {
    return pictureBubble(message.image, host);
  }
  if (message.audio) {
    return voiceBubble(message.audio);
  }
  return h('p', { class: 'bubble-text', test: 'message-text' },
    typeof message.text === 'string' ? message.text : '');
}

export class ChatView {
  /** `host()` is the pane's box for dialogs; `chatId` never changes, its order may. */
  constructor({ store, chatId, host, toast, onAgain }) {
    Object.assign(this, { store, chatId, host, toast, onAgain });
    this.tray = '';
    this.stuck = true;
    this.bubbles = new Map();
    this.#build();
    this.unwatch = store.watch(() => this.update());
    store.openThread(chatId);
    store.loadPresence(chatId).catch(() => {});
    this.update();
  }

  dispose() {
    this.unwatch();
  }

  get chat() {
    return this.store.chats.get(this.chatId);
  }

  get order() {
    return this.chat ? this.store.orderOf(this.chat) : null;
  }

  #build() {
    this.meterBox = h('div', { class: 'chat-meter' });
    this.list = h('ol', { class: 'messages', test: 'messages' });
    this.state = h('div', { class: 'chat-state' });
    this.earlier = h('button', { class: 'button small quiet earlier', type: 'button', test: 'earlier',
      on: { click: () => this.#earlier() } }, t('chat.earlier'));
    this.typing = h('div', { class: 'typing', test: 'typing', hidden: true },
      h('span', { class: 'typing-dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), t('chat.typing'));
    this.log = h('div', { class: 'log', role: 'log', 'aria-label': t('chat.log'), tabindex: '0',
      on: { scroll: () => this.#scrolled() } }, this.earlier, this.state, this.list, this.typing);
    this.latest = h('button', { class: 'latest', type: 'button', hidden: true,
      on: { click: () => this.#toEnd() } }, icon('down'), t('chat.latest'));
    this.foot = h('div', { class: 'chat-foot' });
    /** For the header above: whether the other side is there. */
    this.presence = h('span', { class: 'presence', test: 'presence', hidden: true });
    this.el = h('div', { class: 'chat' }, this.meterBox, h('div', { class: 'log-box' }, this.log, this.latest), this.foot);
  }

  // ---- the conversation ----

  update() {
    const { order } = this;
    const thread = this.store.thread(this.chatId);
    const sign = order && isOpen(order) ? `${order.status}|${order.deadline}|${order.repliesLeft}` : '';
    if (this.meterBox.dataset.sign !== sign) {
      this.meterBox.dataset.sign = sign;
      fill(this.meterBox, sign && orderMeter(order, this.store.side));
    }
    this.#updateState(thread);
    this.#updateFoot();
    this.earlier.hidden = thread.state !== 'ready' || thread.complete;
    patchList(this.list, this.#rows(), {
      key: (row) => row.key, signature: (row) => row.sign, render: (row) => this.#row(row),
    });
    this.typing.hidden = !this.store.isTyping(this.chatId);
    this.#updatePresence();
    if (this.stuck) {
      this.#toEnd();
    } else {
      this.latest.hidden = this.lastSeen === this.#lastKey();
    }
    this.#read();
  }

  #updatePresence() {
    const known = this.store.presenceOf(this.chatId);
    const words = !known ? '' : known.online ? t('chat.online')
      : known.lastSeen ? t('chat.seen', { time: shortTime(known.lastSeen) }) : t('chat.offline');
    if (this.presence.dataset.words !== words) {
      this.presence.dataset.words = words;
      this.presence.dataset.online = String(Boolean(known?.online));
      this.presence.hidden = !words;
      fill(this.presence, h('i', { 'aria-hidden': 'true' }), words);
    }
  }

  #updateState(thread) {
    const shown = thread.messages.size > 0 ? '' : thread.state;
    if (this.state.dataset.shown === shown) {
      return;
    }
    this.state.dataset.shown = shown;
    const views = {
      loading: () => skeleton(3, t('common.loading')),
      failed: () => placeholder({ art: 'alert', tone: 'bad', title: t('common.failed'), text: thread.error.message,
        action: h('button', { class: 'button small', type: 'button',
          on: { click: () => this.store.openThread(this.chatId) } }, t('common.retry')) }),
      ready: () => placeholder({ art: 'chat', title: t('chat.empty') }),
    };
    fill(this.state, views[shown]?.());
  }

  #rows() {
    const { side } = this.store;
    const rows = [];
    let day = '';
    let consultation = '';
    for (const message of this.store.messages(this.chatId)) {
      if (message.type === '06' && !noticeOf(message, side)) {
        continue;
      }
      const today = dayOf(message.created_at);
      if (today !== day) {
        day = today;
        rows.push({ kind: 'day', key: `day-${today}`, sign: dayLabel(message.created_at), text: dayLabel(message.created_at) });
      }
      if (message.consultationId && message.consultationId !== consultation) {
        consultation = message.consultationId;
        const no = this.store.orders.get(consultation)?.consultationNo;
        no && rows.push({ kind: 'day', key: `order-${consultation}`, sign: no, text: t('chat.order', { no }) });
      }
      rows.push(this.#messageRow(message));
    }
    for (const item of this.store.waiting(this.chatId)) {
      const offline = item.state === 'queued' && !this.store.client.live;
      rows.push({ kind: 'waiting', key: item.clientMsgId, item, offline,
        sign: `${item.state}|${offline}|${item.error?.message ?? ''}` });
    }
    return rows;
  }

  #messageRow(message) {
    const own = isOwn(message, this.store.side);
    const read = own && this.store.readUpTo(this.chatId) >= message.seq;
    const order = this.store.orders.get(message.consultationId);
    const mayRetract = own && message.type === '01' && !message.isRetract && isOpen(order);
    const kind = message.type === '06' ? 'notice' : message.isRetract ? 'tombstone' : 'message';
    return { kind, key: message.id, message, own, read, mayRetract,
      sign: `${message.updated_at}|${message.isRetract}|${read}|${mayRetract}|${Boolean(this.input)}` };
  }

  #row(row) {
    const { key } = row;
    switch (row.kind) {
      case 'day': return h('li', { class: 'row-day' }, h('span', {}, row.text));
      case 'notice': return this.#notice(row.message);
      case 'tombstone': return this.#tombstone(row.message, row.own);
      case 'waiting': return this.#waitingRow(row);
      default: return h('li', { class: `row ${row.own ? 'own' : 'other'}`, test: row.own ? 'message-own' : 'message-other',
        'data-id': key, 'data-seq': row.message.seq },
        this.#keptBubble(row.message), this.#meta(row));
    }
  }

  // A row is drawn again when it was read, but a voice that is playing must play on.
  #keptBubble(message) {
    const kept = this.bubbles.get(message.id);
    if (kept?.updated === message.updated_at) {
      return kept.node;
    }
    const node = this.#bubble(message);
    this.bubbles.set(message.id, { node, updated: message.updated_at });
    return node;
  }

  #bubble(message) {
    const kind = message.image ? 'is-picture' : message.audio ? 'is-voice' : '';
    const label = has(`chat.type.${message.type}`) && h('span', { class: 'bubble-label' }, icon('file'), t(`chat.type.${message.type}`));
    return h('div', { class: `bubble ${kind}` }, label, content(message, this.host));
  }

  #meta({ message, own, read, mayRetract }) {
    return h('div', { class: 'meta' },
      h('time', { datetime: message.created_at }, clockOf(message.created_at)),
      own && h('span', { class: 'meta-state', test: 'read-state' }, t(read ? 'chat.read' : 'chat.delivered')),
      mayRetract && h('button', { class: 'link', type: 'button', test: 'retract', 'aria-label': t('chat.retract.label'),
        on: { click: (event) => this.#retract(message, event.currentTarget) } }, t('chat.retract')));
  }

  #notice(message) {
    const part = noticeOf(message, this.store.side);
    return h('li', { class: 'notice', test: 'notice', 'data-seq': message.seq },
      part.type && h('strong', { class: 'notice-title' }, icon('bell'), part.type),
      h('p', {}, part.text));
  }

  #tombstone(message, own) {
    const text = typeof message.text === 'string' ? message.text : '';
    return h('li', { class: 'tombstone', test: own ? 'tombstone-own' : 'tombstone-other' },
      h('span', {}, t(own ? 'chat.retracted.own' : 'chat.retracted.other')),
      own && text && h('q', { class: 'tombstone-text' }, text),
      own && text && this.input && h('button', { class: 'link', type: 'button', test: 'edit-again',
        on: { click: () => this.#editAgain(text) } }, icon('edit'), t('chat.edit')));
  }

  #waitingRow({ item, offline }) {
    const words = offline ? 'chat.queued' : item.state === 'failed' ? 'chat.failed' : 'chat.sending';
    return h('li', { class: `row own waiting ${item.state}`, test: `message-${item.state}` },
      this.#bubble({ type: '01', ...item.content }),
      h('div', { class: 'meta' }, h('span', { class: 'meta-state' }, icon(item.state === 'failed' ? 'alert' : 'clock'), t(words)),
        item.state === 'failed' && h('button', { class: 'link', type: 'button', test: 'resend',
          on: { click: () => this.store.client.sendAgain(item) } }, t('chat.resend')),
        item.state === 'failed' && h('button', { class: 'link', type: 'button', test: 'discard',
          on: { click: () => this.store.client.discard(item) } }, t('common.delete'))),
      item.error && h('p', { class: 'row-error', role: 'alert', test: 'send-error' }, item.error.message));
  }

  async #retract(message, button) {
    button.disabled = true;
    try {
      await this.store.retract(message);
    } catch (error) {
      button.disabled = false;
      this.toast(error.message, { tone: 'bad' });
    }
  }

  #editAgain(text) {
    this.input.value = text;
    this.#grow();
    this.input.focus();
  }

  async #earlier() {
    const height = this.log.scrollHeight;
    await this.store.loadEarlier(this.chatId);
    queueMicrotask(() => {
      this.log.scrollTop += this.log.scrollHeight - height;
    });
  }

  // ---- place in the conversation ----

  #lastKey() {
    return this.list.lastElementChild?.dataset.key;
  }

  #scrolled() {
    const rest = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight;
    this.stuck = rest < NEAR_END_PX;
    if (this.stuck) {
      this.lastSeen = this.#lastKey();
      this.latest.hidden = true;
      this.#read();
    }
  }

  #toEnd() {
    this.stuck = true;
    this.lastSeen = this.#lastKey();
    this.latest.hidden = true;
    this.log.scrollTop = this.log.scrollHeight;
    // Pictures arrive later and push the end away.
    for (const image of this.list.querySelectorAll('img:not([data-watched])')) {
      image.dataset.watched = 'true';
      image.addEventListener('load', () => this.stuck && this.#toEnd(), { once: true });
    }
  }

  #read() {
    const seen = this.el.isConnected && this.el.offsetParent !== null && !document.hidden;
    if (seen && this.stuck && this.store.thread(this.chatId).state === 'ready') {
      this.store.markRead(this.chatId);
    }
  }

  /** Called when the view was put into the page or shown again. */
  shown() {
    this.stuck ? this.#toEnd() : this.#scrolled();
    this.#read();
  }

  // ---- the composer ----

  #closedReason() {
    const { order, chat, store } = this;
    if (chat && chat.type !== '01') {
      return { text: t('chat.system.only') };
    }
    if (!order) {
      return { text: t('common.loading') };
    }
    if (order.status === '01') {
      return { text: t(store.side === 'patient' ? 'chat.unpaid' : 'chat.unpaid.doctor') };
    }
    if (!isOpen(order)) {
      return { text: t('chat.ended', { status: t(`status.${order.status}`) }), again: true };
    }
    const used = store.side === 'doctor' && (order.repliesLeft ?? REPLIES) <= 0;
    return used ? { text: t('chat.no.replies') } : null;
  }

  #updateFoot() {
    const reason = this.#closedReason();
    const sign = reason ? reason.text : 'open';
    if (this.foot.dataset.sign === sign) {
      return;
    }
    this.foot.dataset.sign = sign;
    if (reason) {
      this.input = null;
      fill(this.foot, h('div', { class: 'composer-closed', test: 'composer-closed' }, h('span', {}, reason.text),
        reason.again && this.onAgain && h('button', { class: 'button small primary', type: 'button', test: 'again',
          on: { click: () => this.onAgain(this.order) } }, t('order.again'))));
      return;
    }
    this.#buildComposer();
  }

  #buildComposer() {
    const drafts = (this.store.drafts ??= new Map());
    this.input = h('textarea', { class: 'composer-input', rows: '1', maxlength: TEXT_MOST, test: 'composer',
      'aria-label': t('chat.message'), placeholder: t('chat.placeholder'), value: drafts.get(this.chatId) ?? '',
      on: {
        input: () => {
          drafts.set(this.chatId, this.input.value);
          this.#grow();
          this.input.value.trim() && this.store.client.typing(this.chatId);
        },
        keydown: (event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            this.#sendText();
          }
        },
      } });
    this.trayBox = h('div', { class: 'tray-box' });
    const trayButton = (kind, art) => h('button', { class: 'icon-button', type: 'button', test: `open-${kind}`,
      'aria-label': t(`chat.${kind}`), title: t(`chat.${kind}`), 'aria-expanded': 'false',
      on: { click: () => this.#openTray(this.tray === kind ? '' : kind) } }, icon(art));
    this.trayButtons = { image: trayButton('image', 'image'), voice: trayButton('voice', 'mic') };
    fill(this.foot, this.trayBox,
      h('form', { class: 'composer', on: { submit: (event) => { event.preventDefault(); this.#sendText(); } } },
        this.trayButtons.image, this.trayButtons.voice, this.input,
        h('button', { class: 'send', type: 'submit', test: 'send', 'aria-label': t('chat.send') }, icon('send'))));
    this.tray = '';
    this.#grow();
  }

  #grow() {
    this.input.style.height = 'auto';
    this.input.style.height = `${Math.min(120, this.input.scrollHeight)}px`;
  }

  #sendText() {
    const text = this.input.value.trim();
    if (!text) {
      this.input.focus();
      return;
    }
    this.input.value = '';
    this.store.drafts.delete(this.chatId);
    this.#grow();
    this.#send({ text });
    this.input?.focus();
  }

  #send(message) {
    this.stuck = true;
    this.store.send(this.chatId, this.order.id, message);
  }

  #openTray(kind) {
    this.tray = kind;
    for (const [name, button] of Object.entries(this.trayButtons)) {
      button.setAttribute('aria-expanded', String(name === kind));
    }
    fill(this.trayBox, kind && this.#tray(kind));
    if (this.stuck) {
      this.#toEnd();
    }
  }

  #tray(kind) {
    const field = kind === 'image' ? 'image' : 'audio';
    const choose = (url) => {
      this.#openTray('');
      this.#send({ [field]: url });
    };
    const address = h('input', { class: 'field-input', type: 'url', maxlength: '1024', placeholder: t('chat.address'),
      'aria-label': t('chat.address'), test: 'media-address' });
    const items = kind === 'image'
      ? PICTURES.map(({ label, url }) => h('button', { class: 'tray-picture', type: 'button', test: 'pick-image',
        'aria-label': t(label), on: { click: () => choose(url) } }, h('img', { src: url, alt: '' }), h('span', {}, t(label))))
      : VOICES.map(({ label, url }) => h('button', { class: 'tray-voice', type: 'button', test: 'pick-voice',
        on: { click: () => choose(url) } }, icon('mic'), h('span', {}, t(label))));
    return h('div', { class: 'tray', test: 'tray' },
      h('p', { class: 'tray-title' }, t(`chat.${kind}.pick`)),
      h('div', { class: 'tray-items' }, items),
      h('form', { class: 'tray-address', on: { submit: (event) => {
        event.preventDefault();
        address.value.trim() && choose(address.value.trim());
      } } }, address, h('button', { class: 'button small', type: 'submit', test: 'media-send' }, t('chat.address.send'))));
  }
}

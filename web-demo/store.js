// What one side knows: its chats, orders and messages, kept right by whatever arrives, in
// whatever order and however often. What must hold:
//   - a message is known once, by its id, and an older copy (updated_at) never replaces a newer;
//   - messages are shown by `seq`, never by arrival;
//   - the client (consultd-client.js) tells each message once and in order, and keeps what was
//     written until it is stored; here is only what the panes show.

const PAGE = 30;
const LIST_MOST = 100;
const TYPING_SHOWN_MS = 5_000;
const OPEN_STATES = ['03', '04'];

export const SIDES = {
  patient: { own: 'user', direction: 'user->doctor', part: 'userMsg', chats: '/api/chat/user/list', idField: 'userId' },
  doctor: { own: 'doctor', direction: 'doctor->user', part: 'doctorMsg', chats: '/api/chat/doctor/list', idField: 'doctorId' },
};

export const isOpen = (order) => OPEN_STATES.includes(order?.status);

/** Whose message it is; notices of type 06 are nobody's. */
export function isOwn(message, side) {
  return message.type !== '06' && message.direction === SIDES[side].direction;
}

/** The part of a notice meant for this side, or null where nothing is to be shown. */
export function noticeOf(message, side) {
  if (typeof message.text === 'string') {
    return message.text ? { text: message.text } : null;
  }
  return message.text?.[SIDES[side].part] ?? null;
}

function rowText(message) {
  if (message.isRetract) {
    return '[消息已撤回]';
  }
  const kinds = { '02': '[处方]', '03': '[检查]', '04': '[检验]' };
  return kinds[message.type] ?? (message.image ? '[图片]' : message.audio ? '[语音]' : message.text);
}

const newerThan = (a, b) => !a.updated_at || !b?.updated_at || a.updated_at >= b.updated_at;

export class Store {
  constructor(side, client) {
    this.side = side;
    this.client = client;
    this.watchers = new Set();
    this.forget();
    client.on('event', (frame) => this.#event(frame));
    client.on('message', (told) => this.#told(told));
    client.on('outbox', () => this.changed());
  }

  forget() {
    this.me = null;
    this.chats = new Map();
    this.orders = new Map();
    this.threads = new Map();
    this.readByOther = new Map();
    this.readSaid = new Map();
    this.typingUntil = new Map();
    this.presence = new Map();
    this.loaded = false;
    this.error = null;
  }

  #isChanging = false;

  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  changed() {
    if (!this.#isChanging) {
      this.#isChanging = true;
      queueMicrotask(() => {
        this.#isChanging = false;
        for (const watcher of this.watchers) {
          watcher();
        }
      });
    }
  }

  // ---- lists ----

  async load() {
    try {
      await Promise.all([this.loadChats(), this.loadOrders()]);
      this.loaded = true;
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.changed();
    return !this.error;
  }

  async loadChats() {
    const { data } = await this.client.call(SIDES[this.side].chats, { [SIDES[this.side].idField]: this.me });
    for (const chat of data) {
      this.chats.set(chat.id, chat);
    }
    this.changed();
  }

  async loadOrders() {
    const mine = this.side === 'doctor' ? { doctorId: this.me } : {};
    const { data } = await this.client.call('/consultation/list', { ...mine, skip: 0, limit: LIST_MOST });
    for (const order of data.items) {
      this.putOrder(order);
    }
    this.changed();
  }

  /** After a line that could not be resumed: known threads are read anew. */
  async reloadThreads() {
    const open = [...this.threads.keys()];
    this.threads.clear();
    await Promise.all(open.map((chatId) => this.openThread(chatId)));
  }

  putOrder(order) {
    const known = this.orders.get(order.id);
    if (newerThan(order, known)) {
      this.orders.set(order.id, { ...known, ...order });
      this.changed();
    }
    return this.orders.get(order.id);
  }

  ordersByAge() {
    return [...this.orders.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }

  ordersOf(chat) {
    return this.ordersByAge().filter((order) => order.chatId === chat.id
      || (order.patientId && order.patientId === chat.patient?.patientId
        && order.doctorId === chat.doctor?.doctorId));
  }

  orderOf(chat) {
    return this.ordersOf(chat)[0] ?? null;
  }

  chatOf(order) {
    return this.chats.get(order.chatId) ?? [...this.chats.values()].find((chat) => chat.type === '01'
      && chat.patient?.patientId === order.patientId && chat.doctor?.doctorId === order.doctorId);
  }

  chatsByTime() {
    return [...this.chats.values()].sort((a, b) => (b.lastMsgTime ?? '').localeCompare(a.lastMsgTime ?? ''));
  }

  unread() {
    return [...this.chats.values()].reduce((sum, chat) => sum + (chat.unread ?? 0), 0);
  }

  // ---- messages ----

  thread(chatId) {
    if (!this.threads.has(chatId)) {
      this.threads.set(chatId, { messages: new Map(), state: 'new', complete: false, error: null });
    }
    return this.threads.get(chatId);
  }

  messages(chatId) {
    return [...this.thread(chatId).messages.values()].sort((a, b) => a.seq - b.seq);
  }

  async openThread(chatId) {
    const thread = this.thread(chatId);
    if (thread.state === 'ready' || thread.state === 'loading') {
      return;
    }
    await this.#page(chatId, thread, {});
  }

  async loadEarlier(chatId) {
    const first = this.messages(chatId)[0];
    await this.#page(chatId, this.thread(chatId), first ? { beforeSeq: first.seq } : {});
  }

  async #page(chatId, thread, from) {
    thread.state = thread.state === 'ready' ? 'ready' : 'loading';
    this.changed();
    try {
      const { data } = await this.client.call('/api/chat/message/list', { chatId, limit: PAGE, ...from });
      for (const message of data) {
        this.#put(message);
      }
      data.length > 0 && this.client.chatStandsAt(chatId, Math.max(...data.map(({ seq }) => seq)));
      thread.complete = thread.complete || data.length < PAGE || data.some(({ seq }) => seq === 1);
      thread.state = 'ready';
      thread.error = null;
    } catch (error) {
      thread.error = error;
      thread.state = thread.messages.size ? 'ready' : 'failed';
    }
    this.changed();
  }

  #put(message) {
    const { messages } = this.thread(message.chatId);
    const known = messages.get(message.id);
    if (newerThan(message, known)) {
      messages.set(message.id, message);
      this.#followRow(message);
      this.changed();
    }
  }

  // ---- sending ----

  waiting(chatId) {
    return this.client.outbox.filter((item) => item.chatId === chatId);
  }

  send(chatId, consultationId, content) {
    this.client.send({ chatId, consultationId, ...content });
  }

  // The list row follows the messages by the rules of the server, so that it is right at once and
  // also where `chat.updated`, which is not repeated after a lost line, was missed.
  #followRow(message) {
    const chat = this.chats.get(message.chatId);
    if (!chat || message.type === '06') {
      return;
    }
    if (message.seq >= (chat.shownSeq ?? 0) && (chat.lastMsgTime ?? '') <= message.created_at) {
      chat.shownSeq = message.seq;
      chat.lastMsgTime = message.created_at;
      chat.lastMsgContent = rowText(message);
    }
  }

  async retract(message) {
    const { data } = await this.client.call('/api/consultation/chat/message/retract', { id: message.id });
    this.#put(data);
  }

  async moveOrder(order, status) {
    const { data } = await this.client.call('/consultation/update', { consultationId: order.id, status });
    return this.putOrder(data);
  }

  /** Says how far this side has read; once for each `seq`, whatever the answer counts. */
  async markRead(chatId) {
    const chat = this.chats.get(chatId);
    const last = this.messages(chatId).at(-1)?.seq ?? 0;
    if (!chat?.unread || !this.client.live || (this.readSaid.get(chatId) ?? 0) >= last) {
      return;
    }
    this.readSaid.set(chatId, last);
    try {
      const { data } = await this.client.call('/api/chat/read', { chatId, seq: last });
      const now = this.chats.get(chatId);
      if ((now.lastSeq ?? 0) <= last) {
        now.unread = data?.unread ?? 0;
      }
    } catch {
      this.readSaid.delete(chatId);
    }
    this.changed();
  }

  /** How far the other side has read. */
  readUpTo(chatId) {
    return Math.max(this.readByOther.get(chatId) ?? 0, this.chats.get(chatId)?.peerReadSeq ?? 0);
  }

  isTyping(chatId) {
    return (this.typingUntil.get(chatId) ?? 0) > Date.now();
  }

  /** {online, lastSeen} of the other side; null while that, or our own line, is not known. */
  presenceOf(chatId) {
    return this.client.live ? this.presence.get(chatId) ?? null : null;
  }

  async loadPresence(chatId) {
    const { data } = await this.client.call('/api/chat/detail', { id: chatId });
    this.#setPresence(chatId, data);
    this.changed();
  }

  #setPresence(chatId, { online, lastSeen }) {
    this.presence.set(chatId, online === undefined ? null : { online, lastSeen });
  }

  // ---- what the server pushes ----

  #event({ event, data }) {
    const handlers = {
      'consultation.updated': () => this.#orderMoved(data),
      'chat.updated': () => this.chats.set(data.id, { ...this.chats.get(data.id), ...data }),
      'chat.read': () => this.#wasRead(data),
      typing: () => this.#typing(data),
      presence: () => this.#setPresence(data.chatId, data),
      synced: () => this.#synced(),
    };
    handlers[event]?.();
    this.changed();
  }

  /** Presence is not replayed: what is shown of it is asked for anew. */
  #synced() {
    this.loadChats().catch(() => {});
    for (const chatId of this.presence.keys()) {
      this.loadPresence(chatId).catch(() => {});
    }
  }

  #told({ message, isNew }) {
    this.#put(message);
    const chat = this.chats.get(message.chatId);
    if (!isNew) {
      return;
    }
    this.typingUntil.delete(message.chatId);
    if (!chat) {
      this.loadChats().catch(() => {});
    } else if ((chat.lastSeq ?? 0) < message.seq) {
      chat.lastSeq = message.seq;
      const shown = message.type !== '06' || noticeOf(message, this.side);
      chat.unread = (chat.unread ?? 0) + (shown && !isOwn(message, this.side) ? 1 : 0);
      this.changed();
    }
  }

  #orderMoved(order) {
    const known = this.orders.get(order.id);
    this.putOrder(order);
    if (!known?.doctor || !known?.patient) {
      this.loadOrders().catch(() => {});
    }
    if (order.chatId && !this.chats.has(order.chatId)) {
      this.loadChats().catch(() => {});
    }
  }

  #wasRead({ chatId, seq, side }) {
    if (side !== SIDES[this.side].own) {
      this.readByOther.set(chatId, Math.max(seq, this.readByOther.get(chatId) ?? 0));
    }
  }

  #typing({ chatId, side }) {
    if (side !== SIDES[this.side].own) {
      this.typingUntil.set(chatId, Date.now() + TYPING_SHOWN_MS);
      setTimeout(() => this.changed(), TYPING_SHOWN_MS + 50);
    }
  }
}

// The client of consultd: one file without dependencies, for browsers, WeChat mini programs and Node.
//
//     import { ConsultdClient, browserStorage } from './consultd-client.js';
//     const client = new ConsultdClient({ side: 'user', origin: 'https://hospital.example',
//       storage: browserStorage(localStorage), renew: async () => fetchToken() });
//     client.on('message', ({ message }) => show(message));
//     client.on('event', ({ event, data }) => follow(event, data));
//     client.on('ready', async ({ reload }) => { if (reload) { await loadLists(); client.reloaded(); } });
//     client.connect(token);
//     await client.send({ chatId, consultationId, text: '您好' }).done;
//
// What it sees to, so that an app need not:
//   - a call goes over the live socket, or by REST while there is none; the answer is the same;
//   - a lost line comes back with a growing random pause and goes on from the newest cursor, so
//     that nothing which happened meanwhile is missed; closes of 40xx are not tried again as they are;
//   - a token that is about to run out is renewed on the open socket, one that has run out before
//     the next connection;
//   - what is sent waits in a queue that survives a reload, and goes again under the same
//     clientMsgId until the server has answered: the other side gets it once, in order;
//   - each message is told once, by id, an older copy never after a newer one (updated_at), and in
//     the order of `seq` within its chat: where one is missing it is fetched first;
//   - the cursor moves only behind what was told.
//
// Types are in consultd-client.d.ts.

const SEND = '/api/consultation/chat/message/create';
const LIST = '/api/chat/message/list';
const DEFAULTS = {
  callTimeoutMs: 15_000, pauseFirstMs: 500, pauseMostMs: 15_000, holeWaitMs: 3_000, typingEveryMs: 2_500,
  renewBeforeMs: 60_000, knownMost: 10_000,
};
const TIMER_MOST_MS = 2_000_000_000; // what setTimeout can count
const STANDARD_OUR_FAULT = [1003, 1007, 1009];
const SIGN_IN_AGAIN = [4001, 4002];
const DIRECTIONS = { user: 'user->doctor', doctor: 'doctor->user' };
const WORDS = {
  NETWORK: '网络不可用，请检查连接后重试', OFFLINE: '网络不可用，请检查连接后重试',
  TIMEOUT: '服务器没有及时回应，请重试', BAD_ANSWER: '服务器的回应无法识别',
};

/** A call that was refused or did not get through: see `reason`, and `retry` whether it may succeed later. */
export class CallError extends Error {
  constructor(message, { code = 0, reason = '', field = '', retry = false, afterMs = 0 } = {}) {
    super(message);
    this.name = 'CallError';
    Object.assign(this, { code, reason, field, retry, afterMs });
  }
}

// ---- where it runs ----

/** Browsers; in Node give `{ fetch, WebSocket }` (the npm package `ws` has the latter). */
export function browserTransport(scope = globalThis) {
  return {
    async request(url, { headers, body, timeoutMs }) {
      const answer = await scope.fetch(url, {
        method: 'POST', headers, body, cache: 'no-store', signal: AbortSignal.timeout(timeoutMs),
      });
      return answer.text();
    },
    open(url, hooks) {
      const socket = new scope.WebSocket(url);
      socket.onopen = () => hooks.opened();
      socket.onmessage = ({ data }) => hooks.received(data);
      socket.onclose = ({ code }) => hooks.closed(code);
      socket.onerror = () => {}; // a close follows
      return { send: (text) => socket.send(text), close: (code) => socket.close(code) };
    },
    /** Calls when it is worth to try at once. */
    onWake(listener) {
      scope.addEventListener?.('online', listener);
    },
  };
}

/** WeChat mini programs: hand over `wx`. Its connections end while the program is in the background. */
export function wechatTransport(wx) {
  return {
    request: (url, { headers, body, timeoutMs }) => new Promise((resolve, reject) => {
      wx.request({
        url, method: 'POST', header: headers, data: body, dataType: 'text', timeout: timeoutMs,
        success: ({ data }) => resolve(typeof data === 'string' ? data : JSON.stringify(data)),
        fail: ({ errMsg = '' }) => reject(Object.assign(new Error(errMsg), /timeout/.test(errMsg) && { name: 'TimeoutError' })),
      });
    }),
    open(url, hooks) {
      let over = false;
      const end = (code) => {
        if (!over) {
          over = true;
          hooks.closed(code);
        }
      };
      const task = wx.connectSocket({ url, fail: () => end(1006) });
      task.onOpen(() => hooks.opened());
      task.onMessage(({ data }) => hooks.received(data));
      task.onClose(({ code }) => end(code));
      task.onError(() => end(1006));
      return { send: (data) => task.send({ data }), close: (code) => task.close({ code }) };
    },
    onWake(listener) {
      wx.onAppShow?.(listener);
      wx.onNetworkStatusChange?.(({ isConnected }) => isConnected && listener());
    },
  };
}

/** Keeps the queue in localStorage or sessionStorage. */
export function browserStorage(storage) {
  return {
    keys: () => Object.keys(storage),
    get: (key) => storage.getItem(key),
    set: (key, text) => storage.setItem(key, text),
    remove: (key) => storage.removeItem(key),
  };
}

export function wechatStorage(wx) {
  return {
    keys: () => wx.getStorageInfoSync().keys,
    get: (key) => wx.getStorageSync(key) || null,
    set: (key, text) => wx.setStorageSync(key, text),
    remove: (key) => wx.removeStorageSync(key),
  };
}

function memoryStorage() {
  const kept = new Map();
  return { keys: () => [...kept.keys()], get: (key) => kept.get(key) ?? null, set: (key, text) => kept.set(key, text),
    remove: (key) => kept.delete(key) };
}

const realClock = {
  now: () => Date.now(),
  setTimeout: (work, ms) => setTimeout(work, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: () => Math.random(),
};

/** Said of one message by one sender for ever, so it must not come twice. */
export function newClientMsgId() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto?.getRandomValues) {
    globalThis.crypto.getRandomValues(bytes);
  } else { // WeChat has none that answers at once
    bytes.forEach((_, i) => { bytes[i] = Math.random() * 256; });
  }
  return Date.now().toString(36) + [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What a token says of itself; not checked here: that is the server's. */
export function readToken(token) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  let bits = 0;
  let count = 0;
  let text = '';
  for (const letter of String(token).split('.')[1] ?? '') {
    bits = (bits << 6) | Math.max(0, letters.indexOf(letter));
    count += 6;
    if (count >= 8) {
      count -= 8;
      text += String.fromCharCode((bits >> count) & 255);
    }
  }
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

class Emitter {
  #listeners = new Map();

  /** Returns a function that takes the listener away again. */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit(name, value) {
    for (const listener of [...this.#listeners.get(name) ?? []]) {
      listener(value);
    }
  }
}

// ---- messages once and in order ----

/** What was told of the messages, and what is held back because one before it is missing. */
class Sorter {
  #known = new Map(); // id → "updated_at|isRetract" of the newest copy told
  #chats = new Map(); // chatId → { last, held: Map(seq → take), timer }
  #to; // {tell, settled, fetch, clock, waitMs, knownMost}

  constructor(to) {
    this.#to = to;
  }

  get holds() {
    return [...this.#chats.values()].some(({ held }) => held.size > 0);
  }

  forget() {
    this.restart();
    this.#known.clear();
  }

  /** Nothing is known of what happened meanwhile: the next message of each chat is where it goes on. */
  restart() {
    this.#chats.forEach(({ timer }) => this.#to.clock.clearTimeout(timer));
    this.#chats.clear();
  }

  /** Until `seq` all is known, from a list: the next one is expected behind it. */
  stands(chatId, seq) {
    const chat = this.#chat(chatId);
    chat.last = Math.max(chat.last, seq);
    this.#release(chat);
  }

  take(message) {
    const chat = this.#chat(message.chatId);
    if (chat.last === 0 || message.seq <= chat.last + 1) {
      this.#now(chat, message);
      this.#release(chat);
    } else if (!this.#isOld(message)) {
      chat.held.set(message.seq, message);
      chat.timer ??= this.#to.clock.setTimeout(() => this.#giveUp(chat), this.#to.waitMs);
      if (chat.held.size === 1) {
        this.#fill(message.chatId, chat);
      }
    }
  }

  #chat(chatId) {
    if (!this.#chats.has(chatId)) {
      this.#chats.set(chatId, { last: 0, held: new Map(), timer: undefined });
    }
    return this.#chats.get(chatId);
  }

  #isOld(message) {
    const copy = this.#known.get(message.id);
    return copy !== undefined && copy >= `${message.updated_at}|${Number(Boolean(message.isRetract))}`;
  }

  #now(chat, message) {
    chat.last = Math.max(chat.last, message.seq);
    if (this.#isOld(message)) {
      return;
    }
    const isNew = !this.#known.has(message.id);
    this.#known.delete(message.id);
    this.#known.set(message.id, `${message.updated_at}|${Number(Boolean(message.isRetract))}`);
    if (this.#known.size > this.#to.knownMost) {
      this.#known.delete(this.#known.keys().next().value);
    }
    this.#to.tell({ message, isNew });
  }

  #release(chat) {
    for (let next = chat.held.get(chat.last + 1); next; next = chat.held.get(chat.last + 1)) {
      chat.held.delete(next.seq);
      this.#now(chat, next);
    }
    for (const seq of [...chat.held.keys()].filter((held) => held <= chat.last)) {
      this.#now(chat, chat.held.get(seq));
      chat.held.delete(seq);
    }
    if (chat.held.size === 0) {
      this.#to.clock.clearTimeout(chat.timer);
      chat.timer = undefined;
    }
  }

  /** A `seq` has no holes but for a write that never came to be: after one look it goes on. */
  async #fill(chatId, chat) {
    const first = Math.min(...chat.held.keys());
    const missing = await this.#to.fetch(chatId, first, Math.min(100, first - chat.last - 1)).catch(() => null);
    if (missing) {
      missing.sort((a, b) => a.seq - b.seq).forEach((message) => this.#now(chat, message));
      this.#giveUp(chat);
    }
  }

  #giveUp(chat) {
    while (chat.held.size > 0) {
      const first = Math.min(...chat.held.keys());
      const message = chat.held.get(first);
      chat.held.delete(first);
      this.#now(chat, message);
    }
    this.#release(chat);
    this.#to.settled();
  }
}

// ---- the client ----

export class ConsultdClient extends Emitter {
  state = 'signed-out';
  token = null;
  cursor = null;
  account = null;
  retryAt = 0;
  closeCode = 0;
  outbox = [];

  #options;
  #transport;
  #storage;
  #clock;
  #sorter;
  #socket = null;
  #pending = new Map();
  #lastId = 0;
  #timers = {};
  #attempts = 0;
  #reload = true;
  #switchedOff = false;
  #isSending = false;
  #isRenewing = false;
  #written = 0;
  #waitingCursor = null;
  #typingSaid = new Map();
  #done = new Map();

  constructor(options) {
    super();
    this.#options = { ...DEFAULTS, origin: globalThis.location?.origin, words: (reason) => WORDS[reason], ...options };
    this.#options.socketOrigin ??= this.#options.origin;
    this.#transport = options.transport ?? (globalThis.wx?.connectSocket ? wechatTransport(globalThis.wx) : browserTransport());
    this.#storage = options.storage ?? memoryStorage();
    this.#clock = options.clock ?? realClock;
    this.#sorter = new Sorter({
      tell: (told) => this.emit('message', told),
      settled: () => this.#moveCursor(),
      fetch: async (chatId, beforeSeq, limit) => (await this.call(LIST, { chatId, beforeSeq, limit })).data,
      clock: this.#clock, waitMs: this.#options.holeWaitMs, knownMost: this.#options.knownMost,
    });
    this.#transport.onWake?.(() => this.retryNow());
  }

  get side() {
    return this.#options.side;
  }

  /** Whether calls go over the socket. */
  get live() {
    return this.state === 'online' || this.state === 'syncing';
  }

  get networkOn() {
    return !this.#switchedOff;
  }

  // ---- the line ----

  /** Goes on from `cursor` if the app has kept what came before it; else its lists are to be loaded. */
  connect(token, { cursor } = {}) {
    this.#signIn(token);
    this.cursor = cursor ?? this.cursor;
    this.#reload = this.#reload && !cursor;
    this.#attempts = 0;
    this.#open();
  }

  /** The switch: off cuts the socket and holds everything back, on goes on from the cursor. */
  setNetwork(on) {
    this.#switchedOff = !on;
    if (!this.token) {
      this.#setState('signed-out');
    } else if (on) {
      this.#attempts = 0;
      this.#open();
    } else {
      this.#drop();
      this.#setState('offline');
    }
  }

  retryNow() {
    if (this.token && !this.#switchedOff && ['waiting', 'stopped'].includes(this.state)) {
      this.#attempts = 0;
      this.#open();
    }
  }

  /** The lists were loaded whole: from here on the cursor alone is enough. */
  reloaded() {
    this.#reload = false;
  }

  /** Signed out: the line is closed and everything about it forgotten; what waits to be sent stays in the storage. */
  forget() {
    this.#drop();
    this.#sorter.forget();
    Object.assign(this, { token: null, cursor: null, account: null, outbox: [] });
    this.#reload = true;
    this.#waitingCursor = null;
    this.#setState('signed-out');
    this.emit('outbox');
  }

  #signIn(token) {
    const { userId, doctorId } = readToken(token);
    const account = userId ?? doctorId ?? null;
    if (account !== this.account) {
      this.account = account;
      this.#loadOutbox();
    }
    this.token = token;
  }

  #setState(state) {
    this.state = state;
    this.emit('state', state);
  }

  #timer(name, ms, work) {
    this.#clock.clearTimeout(this.#timers[name]);
    this.#timers[name] = work && this.#clock.setTimeout(work, ms);
  }

  #drop() {
    for (const name of ['pause', 'ping', 'renew', 'pump']) {
      this.#timer(name);
    }
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.close(1000);
      this.#frame('out', 'socket', 'close', { code: 1000 });
    }
    this.#failPending();
  }

  #failPending() {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { timer, reject } of waiting) {
      this.#clock.clearTimeout(timer);
      reject(this.#error('NETWORK'));
    }
  }

  #open() {
    this.#drop();
    if (this.#switchedOff) {
      this.#setState('offline');
      return;
    }
    this.#setState('connecting');
    let socket = null;
    const hooks = {
      opened: () => socket === this.#socket && this.#opened(socket),
      received: (text) => socket === this.#socket && this.#receive(text),
      closed: (code) => socket === this.#socket && this.#closed(code),
    };
    socket = this.#transport.open(`${this.#options.socketOrigin.replace(/^http/, 'ws')}/ws`, hooks);
    this.#socket = socket;
  }

  async #opened(socket) {
    this.#frame('in', 'socket', 'open', null);
    const asked = this.cursor;
    try {
      const { data } = await this.#introduce();
      const resumed = Boolean(asked) && data.resumed === true;
      if (!resumed) {
        this.#sorter.restart();
        this.#moveCursor(data.cursor);
        this.#reload = true;
      }
      this.#attempts = 0;
      this.#ping((data.pingInterval ?? 25) * 1000, socket);
      this.#setState(resumed ? 'syncing' : 'online');
      this.#renewLater();
      this.emit('ready', { reload: this.#reload });
      this.#pump();
    } catch (error) {
      if (this.#socket !== socket) {
        return; // its close said more
      }
      this.#drop();
      if (error.code === 401) {
        this.#renew();
      } else {
        this.#pause();
      }
    }
  }

  #introduce() {
    const { token, cursor } = this;
    return this.#socketCall('connect', cursor ? { token, cursor } : { token });
  }

  #closed(code) {
    this.#socket = null;
    this.closeCode = code;
    this.#timer('ping');
    this.#timer('renew');
    this.#failPending();
    this.#frame('in', 'socket', 'close', { code });
    if (SIGN_IN_AGAIN.includes(code)) {
      this.#renew();
    } else if ((code >= 4000 && code < 4100) || STANDARD_OUR_FAULT.includes(code)) {
      this.#setState('stopped');
    } else {
      this.#pause();
    }
  }

  #pause() {
    const { pauseFirstMs, pauseMostMs } = this.#options;
    const most = Math.min(pauseMostMs, pauseFirstMs * 2 ** this.#attempts);
    const pause = pauseFirstMs / 2 + this.#clock.random() * most;
    this.#attempts += 1;
    this.retryAt = this.#clock.now() + pause;
    this.#timer('pause', pause, () => this.#open());
    this.#setState('waiting');
  }

  // The server's own pings are answered unseen; these find a line that died without saying so.
  #ping(everyMs, socket) {
    this.#timer('ping', everyMs, async () => {
      try {
        await this.#socketCall('ping');
      } catch (error) {
        if (error.reason === 'TIMEOUT' && this.#socket === socket) {
          this.#drop();
          this.#pause();
        }
      }
      if (this.#socket === socket) {
        this.#ping(everyMs, socket);
      }
    });
  }

  // ---- tokens ----

  #renewLater() {
    const { exp } = readToken(this.token);
    if (!exp || !this.#options.renew) {
      return;
    }
    const left = exp * 1000 - this.#clock.now();
    const wait = Math.max(left / 2, left - this.#options.renewBeforeMs);
    this.#timer('renew', Math.min(TIMER_MOST_MS, Math.max(0, wait)), () => this.#renewOpen());
  }

  /** On the open socket; where that fails the close of the old token brings a second chance. */
  async #renewOpen() {
    const socket = this.#socket;
    const { exp } = readToken(this.token);
    if (exp * 1000 - this.#clock.now() > TIMER_MOST_MS) {
      this.#renewLater();
      return;
    }
    try {
      const token = await this.#options.renew();
      if (token && this.#socket === socket) {
        this.#signIn(token);
        await this.#introduce();
        this.#renewLater();
      }
    } catch { /* told again by 4002 */ }
  }

  /** The token is good no longer. */
  async #renew() {
    if (this.#isRenewing) {
      return;
    }
    this.#isRenewing = true;
    this.#setState('connecting');
    let token = null;
    let isLater = false;
    try {
      token = await this.#options.renew?.() ?? null;
    } catch (error) {
      isLater = error?.retry === true;
    }
    this.#isRenewing = false;
    if (!this.token || this.state !== 'connecting') {
      return; // signed out or switched off meanwhile
    }
    if (token) {
      this.#signIn(token);
      this.#open();
    } else if (isLater) {
      this.#pause();
    } else {
      this.#setState('stopped');
      this.emit('expired');
    }
  }

  // ---- calls ----

  /** Resolves with the whole answer, {code, msg, data …}; rejects with a CallError. */
  call(path, data = {}) {
    return this.live ? this.#socketCall(path, data) : this.#restCall(path, data);
  }

  /** Says that somebody is writing, at most every `typingEveryMs`; dropped when the line is down. */
  typing(chatId) {
    const now = this.#clock.now();
    if (this.live && now - (this.#typingSaid.get(chatId) ?? -Infinity) >= this.#options.typingEveryMs) {
      this.#typingSaid.set(chatId, now);
      this.#transmit({ call: 'typing', data: { chatId } });
    }
  }

  #error(reason) {
    return new CallError(this.#options.words(reason) ?? WORDS[reason], { reason, retry: reason !== 'BAD_ANSWER' });
  }

  #unwrap(envelope) {
    if (String(envelope?.code) === '200') {
      return envelope;
    }
    if (!envelope?.error) {
      throw this.#error('BAD_ANSWER');
    }
    throw new CallError(envelope.msg, { code: envelope.code, ...envelope.error });
  }

  async #restCall(path, data) {
    if (this.#switchedOff) {
      throw this.#error('OFFLINE');
    }
    this.#frame('out', 'rest', path, data);
    const { token } = this;
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
    let envelope;
    try {
      const text = await this.#transport.request(this.#options.origin + path,
        { headers, body: JSON.stringify(data), timeoutMs: this.#options.callTimeoutMs });
      envelope = JSON.parse(text);
    } catch (error) {
      throw this.#error({ TimeoutError: 'TIMEOUT', SyntaxError: 'BAD_ANSWER' }[error.name] ?? 'NETWORK');
    }
    this.#frame('in', 'rest', path, envelope);
    if (Number(envelope?.code) === 401 && token && token === this.token && ['waiting', 'stopped'].includes(this.state)) {
      this.#drop();
      this.#renew();
    }
    return this.#unwrap(envelope);
  }

  #socketCall(name, data) {
    if (!this.#socket) {
      return Promise.reject(this.#error('NETWORK'));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        this.#pending.delete(id);
        reject(this.#error('TIMEOUT'));
      }, this.#options.callTimeoutMs);
      this.#pending.set(id, { resolve, reject, timer, name });
      this.#transmit(data === undefined ? { id, call: name } : { id, call: name, data });
    });
  }

  #transmit(frame) {
    this.#frame('out', 'socket', frame.call, frame);
    this.#socket.send(JSON.stringify(frame));
  }

  #receive(text) {
    const frame = JSON.parse(text);
    if (frame.event) {
      this.#frame('in', 'socket', frame.event, frame);
      this.#event(frame);
      return;
    }
    const waiting = this.#pending.get(frame.id);
    this.#frame('in', 'socket', waiting?.name ?? '', frame);
    if (waiting) {
      this.#pending.delete(frame.id);
      this.#clock.clearTimeout(waiting.timer);
      try {
        waiting.resolve(this.#unwrap(frame));
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  // The event first, its cursor after: should handling fail, it is replayed.
  #event(frame) {
    if (frame.event === 'message.created' || frame.event === 'message.retracted') {
      this.#take(frame.data);
    } else {
      this.emit('event', frame);
    }
    this.#moveCursor(frame.cursor);
    if (frame.event === 'synced' && this.state === 'syncing') {
      this.#setState('online');
    }
  }

  #moveCursor(cursor) {
    this.#waitingCursor = cursor ?? this.#waitingCursor;
    if (this.#waitingCursor !== null && !this.#sorter.holds) {
      this.cursor = this.#waitingCursor;
      this.#waitingCursor = null;
      this.emit('cursor', this.cursor);
    }
  }

  #take(message) {
    this.#sorter.take(message);
    this.#moveCursor();
    if (message.clientMsgId && message.direction === DIRECTIONS[this.side]) {
      this.#answered(message);
    }
  }

  /** An app that has loaded a chat's messages up to `seq` from a list says so. */
  chatStandsAt(chatId, seq) {
    this.#sorter.stands(chatId, seq);
    this.#moveCursor();
  }

  // ---- sending ----

  /**
   * Puts a message into the queue: {chatId, consultationId, text | image | audio}. The item shows how
   * it stands; `done` resolves with the message, or rejects when the server refuses it for good.
   */
  send({ chatId, consultationId, ...content }) {
    this.#written = Math.max(this.#written + 1, this.#clock.now());
    const item = { clientMsgId: newClientMsgId(), chatId, consultationId, content, state: 'queued', tries: 0,
      error: null, created_at: new Date(this.#written).toISOString() };
    this.outbox.push(item);
    this.#keep(item);
    const done = new Promise((resolve, reject) => { this.#done.set(item.clientMsgId, { resolve, reject }); });
    done.catch(() => {}); // an app may look at the item instead
    this.emit('outbox');
    this.#pump();
    return { item, done };
  }

  /** What failed for good goes once more, under the same clientMsgId. */
  sendAgain(item) {
    Object.assign(item, { state: 'queued', error: null, tries: 0 });
    this.emit('outbox');
    this.#pump();
  }

  discard(item) {
    this.outbox = this.outbox.filter((other) => other !== item);
    this.#storage.remove(this.#keyOf(item.clientMsgId));
    this.#done.delete(item.clientMsgId);
    this.emit('outbox');
  }

  // A key for each message: two windows of one account must not overwrite each other's.
  #keyOf(clientMsgId) {
    return `consultd.out.${this.account}.${clientMsgId}`;
  }

  #keep(item) {
    const { clientMsgId, chatId, consultationId, content, created_at } = item;
    try {
      this.#storage.set(this.#keyOf(clientMsgId), JSON.stringify({ clientMsgId, chatId, consultationId, content, created_at }));
    } catch { /* a full or forbidden storage: it is kept in memory */ }
  }

  #loadOutbox() {
    const prefix = this.#keyOf('');
    this.outbox = [];
    for (const key of this.#storage.keys().filter((name) => name.startsWith(prefix))) {
      try {
        this.outbox.push({ ...JSON.parse(this.#storage.get(key)), state: 'queued', tries: 0, error: null });
      } catch {
        this.#storage.remove(key);
      }
    }
    this.outbox.sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
    this.#written = Date.parse(this.outbox.at(-1)?.created_at ?? 0);
    this.emit('outbox');
  }

  /** Sends what waits, one after the other, so that it arrives as it was written. */
  async #pump() {
    const item = this.outbox.find(({ state }) => state === 'queued');
    if (this.#isSending || !this.live || !item) {
      return;
    }
    this.#isSending = true;
    item.state = 'sending';
    this.emit('outbox');
    const wait = await this.#deliver(item);
    this.#isSending = false;
    this.emit('outbox');
    if (wait > 0) {
      this.#timer('pump', wait, () => this.#pump());
    } else {
      this.#pump();
    }
  }

  async #deliver(item) {
    try {
      const { data } = await this.#socketCall(SEND, {
        chatId: item.chatId, consultationId: item.consultationId, type: '01', ...item.content,
        direction: DIRECTIONS[this.side], clientMsgId: item.clientMsgId,
      });
      this.#take(data);
      return 0;
    } catch (error) {
      item.tries += 1;
      item.state = error.retry ? 'queued' : 'failed';
      item.error = error.retry ? null : error;
      if (!error.retry) {
        this.#done.get(item.clientMsgId)?.reject(error);
        return 0;
      }
      return Math.max(error.afterMs ?? 0, Math.min(this.#options.pauseMostMs, this.#options.pauseFirstMs * item.tries));
    }
  }

  /** The server has it: by the answer, or by the event to another of the account's sockets. */
  #answered(message) {
    const item = this.outbox.find(({ clientMsgId }) => clientMsgId === message.clientMsgId);
    if (item) {
      this.#done.get(item.clientMsgId)?.resolve(message);
      this.discard(item);
    }
  }

  #frame(direction, way, name, payload) {
    this.#options.onFrame?.({ side: this.side, direction, way, name, payload });
  }
}

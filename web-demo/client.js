// One side's line to the server. Before the live socket is open a call goes by REST, afterwards
// the same call, with the same fields and the same answer, goes over the socket: the callers above
// never know which. What must hold:
//   - the newest cursor is kept and given at every connect, so nothing that happened while the
//     line was down is missed; it is only replaced by one that comes after it;
//   - 40xx closes are not tried again as they are; everything else is, with a growing random pause;
//   - with the network switch off nothing leaves, neither by socket nor by REST.

import { t } from './i18n.js';

const CALL_TIMEOUT_MS = 15_000;
const PAUSE_FIRST_MS = 500;
const PAUSE_MOST_MS = 15_000;
const STANDARD_OUR_FAULT = [1003, 1007, 1009];
const SIGN_IN_AGAIN = [4001, 4002];

export class CallError extends Error {
  constructor(message, { code = 0, reason = '', field = '', retry = false, afterMs = 0 } = {}) {
    super(message);
    Object.assign(this, { code, reason, field, retry, afterMs });
  }
}

function unwrap(envelope) {
  if (String(envelope?.code) === '200') {
    return envelope;
  }
  throw new CallError(envelope?.msg || t('net.bad'), { code: envelope?.code, ...envelope?.error });
}

export class Client {
  #socket = null;
  #pending = new Map();
  #lastId = 0;
  #listeners = new Map();
  #pauseTimer = 0;
  #pingTimer = 0;
  #attempts = 0;
  #reload = true;
  #switchedOff = false;

  /** `socketOrigin` is where the live socket goes; REST always goes to the page's own origin. */
  constructor({ side, socketOrigin = location.origin, onFrame }) {
    this.side = side;
    this.socketUrl = `${socketOrigin.replace(/^http/, 'ws')}/ws`;
    this.token = null;
    this.cursor = null;
    this.state = 'signed-out';
    this.retryAt = 0;
    this.closeCode = 0;
    this.onFrame = onFrame;
    window.addEventListener('online', () => this.retryNow());
  }

  /** Events: state, event, ready(reload), expired. */
  on(name, listener) {
    this.#listeners.set(name, listener);
    return this;
  }

  #tell(name, value) {
    this.#listeners.get(name)?.(value);
  }

  #setState(state) {
    this.state = state;
    this.#tell('state', state);
  }

  get live() {
    return this.state === 'online' || this.state === 'syncing';
  }

  get networkOn() {
    return !this.#switchedOff;
  }

  call(path, data = {}) {
    return this.live ? this.#socketCall(path, data) : this.#restCall(path, data);
  }

  // ---- REST ----

  async #restCall(path, data) {
    if (this.#switchedOff) {
      throw new CallError(t('net.error'), { reason: 'OFFLINE', retry: true });
    }
    this.#frame('out', 'rest', path, data);
    let envelope;
    try {
      const headers = { 'Content-Type': 'application/json' };
      if (this.token) {
        headers.Authorization = `Bearer ${this.token}`;
      }
      const answer = await fetch(path, {
        method: 'POST', headers, body: JSON.stringify(data), cache: 'no-store',
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      });
      envelope = await answer.json();
    } catch (error) {
      const key = { TimeoutError: 'net.timeout', SyntaxError: 'net.bad' }[error.name] ?? 'net.error';
      throw new CallError(t(key), { reason: 'NETWORK', retry: true });
    }
    this.#frame('in', 'rest', path, envelope);
    if (this.token && Number(envelope?.code) === 401) {
      this.#tell('expired');
    }
    return unwrap(envelope);
  }

  // ---- the live socket ----

  connect(token) {
    this.token = token;
    this.#attempts = 0;
    this.#open();
  }

  connectLater(token) {
    this.token = token;
    this.#pause();
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

  /** Signed out: the line is closed and everything about it forgotten. */
  forget() {
    this.#drop();
    this.token = null;
    this.cursor = null;
    this.#reload = true;
    this.#setState('signed-out');
  }

  /** A sign that needs no answer (typing); dropped when the line is down. */
  hint(name, data) {
    if (this.live) {
      this.#transmit({ call: name, data });
    }
  }

  #drop() {
    clearTimeout(this.#pauseTimer);
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
      this.#frame('out', 'socket', t('frames.closed'), null);
    }
    this.#failPending();
  }

  #failPending() {
    for (const waiting of this.#pending.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new CallError(t('net.error'), { reason: 'NETWORK', retry: true }));
    }
    this.#pending.clear();
  }

  #open() {
    this.#drop();
    if (this.#switchedOff) {
      this.#setState('offline');
      return;
    }
    this.#setState('connecting');
    const socket = new WebSocket(this.socketUrl);
    this.#socket = socket;
    socket.onopen = () => {
      this.#frame('in', 'socket', t('frames.opened'), null);
      this.#introduce(socket);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
  }

  async #introduce(socket) {
    const data = this.cursor ? { token: this.token, cursor: this.cursor } : { token: this.token };
    try {
      const answer = await this.#socketCall('connect', data);
      const resumed = Boolean(this.cursor) && answer.data.resumed === true;
      if (!resumed) {
        this.cursor = answer.data.cursor ?? this.cursor;
        this.#reload = true;
      }
      this.#attempts = 0;
      this.#startPings(answer.data.pingInterval ?? 25);
      this.#setState(resumed ? 'syncing' : 'online');
      this.#tell('ready', this.#reload);
    } catch (error) {
      if (error.code === 401) {
        this.#drop();
        this.#tell('expired');
      } else if (this.#socket === socket) {
        socket.close(1000);
      }
    }
  }

  /** The lists were loaded whole: from here on the cursor alone is enough. */
  reloaded() {
    this.#reload = false;
  }

  #closed(code) {
    this.#socket = null;
    this.closeCode = code;
    clearInterval(this.#pingTimer);
    this.#failPending();
    this.#frame('in', 'socket', `${t('frames.closed')} ${code}`, null);
    if (SIGN_IN_AGAIN.includes(code)) {
      this.#tell('expired');
    } else if ((code >= 4000 && code < 4100) || STANDARD_OUR_FAULT.includes(code)) {
      this.#setState('stopped');
    } else {
      this.#pause();
    }
  }

  #pause() {
    clearTimeout(this.#pauseTimer);
    const most = Math.min(PAUSE_MOST_MS, PAUSE_FIRST_MS * 2 ** this.#attempts);
    const pause = PAUSE_FIRST_MS / 2 + Math.random() * most;
    this.#attempts += 1;
    this.retryAt = Date.now() + pause;
    this.#pauseTimer = setTimeout(() => this.#open(), pause);
    this.#setState('waiting');
  }

  // The server's own pings are answered by the browser unseen; these find a line that died
  // without saying so.
  #startPings(seconds) {
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#pingTimer = setInterval(() => {
      this.#socketCall('ping').catch((error) => {
        if (error.reason === 'TIMEOUT' && this.#socket === socket) {
          this.#drop();
          this.#pause();
        }
      });
    }, seconds * 1000);
  }

  #socketCall(name, data) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new CallError(t('net.error'), { reason: 'NETWORK', retry: true }));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new CallError(t('net.timeout'), { reason: 'TIMEOUT', retry: true }));
      }, CALL_TIMEOUT_MS);
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
      // The event first, its cursor after: should handling fail, it is replayed.
      this.#tell('event', frame);
      this.cursor = frame.cursor ?? this.cursor;
      if (frame.event === 'synced' && this.state === 'syncing') {
        this.#setState('online');
      }
      return;
    }
    const waiting = this.#pending.get(frame.id);
    this.#frame('in', 'socket', waiting?.name ?? '', frame);
    if (waiting) {
      this.#pending.delete(frame.id);
      clearTimeout(waiting.timer);
      try {
        waiting.resolve(unwrap(frame));
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  #frame(direction, way, name, payload) {
    this.onFrame?.({ side: this.side, direction, way, name, payload });
  }
}

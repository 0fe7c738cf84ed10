// What consultd-client.js promises, told to a server and a clock of paper: nothing here waits for
// real time. Run in Node (client.test.js) and in Chromium (tests/browser/client.test.js).

const ME = 'a'.repeat(24);
const CHAT = 'c'.repeat(24);
const START = Date.UTC(2026, 0, 5);

const base64url = (value) => btoa(JSON.stringify(value)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
const token = (seconds = 86_400, name = 't') =>
  `h.${base64url({ userId: ME, iat: START / 1000, exp: START / 1000 + seconds, name })}.s`;

function equal(got, expected, what = '') {
  const [left, right] = [got, expected].map((value) => JSON.stringify(value));
  if (left !== right) {
    throw new Error(`${what} expected ${right}, got ${left}`);
  }
}

/** Time that only `pass` moves; what is due runs in its order. */
class PaperClock {
  #timers = new Map();
  #last = 0;
  at = START;
  luck = 0.5;

  now() {
    return this.at;
  }

  setTimeout(work, ms) {
    this.#last += 1;
    this.#timers.set(this.#last, { at: this.at + ms, work });
    return this.#last;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  random() {
    return this.luck;
  }

  async settle() {
    for (let i = 0; i < 60; i += 1) {
      await Promise.resolve();
    }
  }

  async pass(ms) {
    const end = this.at + ms;
    await this.settle();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) {
        break;
      }
      this.#timers.delete(due[0]);
      this.at = Math.max(this.at, due[1].at);
      due[1].work();
      await this.settle();
    }
    this.at = end;
  }
}

/** Answers what a case tells it to; remembers every frame and call. */
class PaperServer {
  sockets = [];
  frames = [];
  calls = [];
  answers = {};
  resumed = true;
  accepts = true;

  constructor(clock) {
    this.clock = clock;
    this.transport = {
      request: async (url, { headers, body }) => {
        this.calls.push({ path: new URL(url).pathname, data: JSON.parse(body), token: headers.Authorization });
        return JSON.stringify(this.#answer(new URL(url).pathname, JSON.parse(body)));
      },
      open: (url, hooks) => {
        const socket = { url, hooks, isOpen: false };
        this.sockets.push(socket);
        clock.setTimeout(() => {
          if (!this.accepts) {
            hooks.closed(1006);
            return;
          }
          socket.isOpen = true;
          hooks.opened();
        }, 1);
        return {
          send: (text) => this.#heard(socket, JSON.parse(text)),
          close: () => { socket.isOpen = false; },
        };
      },
      onWake: (listener) => { this.wake = listener; },
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  #answer(name, data) {
    const answer = this.answers[name];
    const value = typeof answer === 'function' ? answer(data) : answer;
    return value ?? { code: 200, msg: '操作成功', data: {} };
  }

  #heard(socket, frame) {
    this.frames.push(frame);
    if (frame.id === undefined || !socket.isOpen) {
      return;
    }
    const plain = frame.call === 'connect'
      ? { code: 200, data: { userId: ME, cursor: frame.data.cursor ?? 'c0', resumed: this.resumed && Boolean(frame.data.cursor), pingInterval: 25 } }
      : null;
    const answer = this.answers[frame.call] === undefined && plain ? plain : this.#answer(frame.call, frame.data);
    if (answer !== 'silence') {
      this.clock.setTimeout(() => socket.isOpen && socket.hooks.received(JSON.stringify({ id: frame.id, ...answer })), 1);
    }
  }

  tell(frame) {
    this.socket.hooks.received(JSON.stringify(frame));
  }

  message(seq, more = {}, event = 'message.created') {
    this.tell({ event, cursor: `c${seq}`, data: message(seq, more) });
  }

  close(code) {
    const { socket } = this;
    socket.isOpen = false;
    socket.hooks.closed(code);
  }

  sent(call) {
    return this.frames.filter((frame) => frame.call === call);
  }
}

const stamp = (seconds) => new Date(START + seconds * 1000).toISOString();

function message(seq, more = {}) {
  return { id: `m${seq}`, chatId: CHAT, consultationId: 'o', type: '01', text: `第${seq}条`, direction: 'doctor->user', seq,
    created_at: stamp(seq), updated_at: stamp(seq), ...more };
}

function keys() {
  const kept = new Map();
  return { kept, keys: () => [...kept.keys()], get: (key) => kept.get(key) ?? null,
    set: (key, text) => kept.set(key, text), remove: (key) => kept.delete(key) };
}

const SEND = '/api/consultation/chat/message/create';
const LIST = '/api/chat/message/list';
const refused = (code, reason, more = {}) => ({ code, msg: '不行', error: { reason, retry: false, ...more } });

/** A client with a server, a clock, and a list of all it was told. */
function world(library, options = {}) {
  const clock = options.clock ?? new PaperClock();
  const server = new PaperServer(clock);
  const client = new library.ConsultdClient({ side: 'user', origin: 'https://hospital.example', transport: server.transport,
    clock, ...options });
  const told = [];
  const states = [];
  client.on('message', ({ message: { seq, isRetract } }) => told.push(isRetract ? -seq : seq));
  client.on('state', (state) => states.push(state));
  let nextSeq = 100;
  server.answers[SEND] = (data) => {
    nextSeq += 1;
    return { code: 200, data: message(nextSeq, { direction: 'user->doctor', text: data.text, clientMsgId: data.clientMsgId }) };
  };
  const online = async (given = token()) => {
    client.connect(given);
    await clock.pass(10);
    equal(client.live, true, 'live');
  };
  return { clock, server, client, told, states, online };
}

export const cases = [
  ['a call goes by REST before the socket is open and over it afterwards', async (library) => {
    const { server, client, online } = world(library);
    equal((await client.call('/api/department/list')).code, 200);
    equal(server.calls.map(({ path }) => path), ['/api/department/list']);
    await online();
    const calling = client.call('/api/department/list');
    await client.call.length; // the call is on its way
    equal(server.sent('/api/department/list').length, 1);
    calling.catch(() => {});
    equal(server.socket.url, 'wss://hospital.example/ws');
  }],

  ['a refusal is an error with the reason, the field and whether to try again', async (library) => {
    const { server, client } = world(library);
    server.answers['/api/patient/create'] = refused(400, 'INVALID_PHONE', { field: 'phone' });
    const error = await client.call('/api/patient/create').catch((caught) => caught);
    equal([error.code, error.reason, error.field, error.retry], [400, 'INVALID_PHONE', 'phone', false]);
    server.transport.request = async () => '<html>';
    equal((await client.call('/x').catch((caught) => caught)).reason, 'BAD_ANSWER');
    server.transport.request = async () => { throw new TypeError('net'); };
    equal((await client.call('/x').catch((caught) => caught)).reason, 'NETWORK');
  }],

  ['a lost line goes on from the newest cursor', async (library) => {
    const { clock, server, client, states, online } = world(library);
    const ready = [];
    client.on('ready', ({ reload }) => { ready.push(reload); client.reloaded(); });
    await online();
    server.message(1);
    server.message(2);
    server.close(1006);
    await clock.pass(2000);
    equal(server.sent('connect').map(({ data }) => data.cursor), [undefined, 'c2']);
    equal(ready, [true, false]);
    equal(client.state, 'syncing');
    server.tell({ event: 'synced', cursor: 'c9' });
    equal([client.state, client.cursor], ['online', 'c9']);
    equal(states.includes('waiting'), true);
  }],

  ['a line that could not be resumed asks for the lists', async (library) => {
    const { clock, server, client, online } = world(library);
    const ready = [];
    client.on('ready', ({ reload }) => { ready.push(reload); client.reloaded(); });
    await online();
    server.message(5);
    server.resumed = false;
    server.answers.connect = { code: 200, data: { userId: ME, cursor: 'new', resumed: false, pingInterval: 25 } };
    server.close(4100);
    await clock.pass(2000);
    equal([ready, client.cursor], [[true, true], 'new']);
  }],

  ['the pause between tries grows at random up to its most', async (library) => {
    const { clock, server, client } = world(library);
    server.accepts = false;
    clock.luck = 1;
    client.connect(token());
    const pauses = [];
    for (let i = 0; i < 8; i += 1) {
      await clock.pass(2);
      pauses.push(Math.round(client.retryAt - clock.now()));
      await clock.pass(client.retryAt - clock.now());
    }
    equal(pauses.every((pause, i) => i === 0 || pause >= pauses[i - 1] - 2), true, pauses);
    equal(pauses[7] <= 15_250 && pauses[7] > 14_000, true, pauses);
    clock.luck = 0;
    await clock.pass(2);
    equal(client.retryAt - clock.now() < 300, true);
  }],

  ['a good connection makes the next pause short again', async (library) => {
    const { clock, server, client, online } = world(library);
    server.accepts = false;
    client.connect(token());
    await clock.pass(60_000);
    server.accepts = true;
    await clock.pass(20_000);
    equal(client.live, true);
    server.close(4101);
    equal(client.retryAt - clock.now() <= 750, true);
    await online();
  }],

  ['closes of 40xx are not tried again as they are', async (library) => {
    for (const code of [4000, 4003, 4005, 1009]) {
      const { clock, server, client, online } = world(library);
      await online();
      server.close(code);
      await clock.pass(60_000);
      equal([client.state, client.closeCode, server.sockets.length], ['stopped', code, 1]);
      client.retryNow();
      await clock.pass(10);
      equal(client.live, true);
    }
  }],

  ['a token that ran out is fetched anew, and without one the person is asked', async (library) => {
    const fresh = token(86_400, 'fresh');
    const first = world(library, { renew: async () => fresh });
    await first.online();
    first.server.close(4002);
    await first.clock.pass(10);
    equal(first.server.sent('connect').at(-1).data.token, fresh);
    equal(first.client.live, true);

    const second = world(library, { renew: async () => null });
    let expired = 0;
    second.client.on('expired', () => { expired += 1; });
    await second.online();
    second.server.close(4001);
    await second.clock.pass(60_000);
    equal([expired, second.client.state, second.server.sockets.length], [1, 'stopped', 1]);

    let tries = 0;
    const third = world(library, { renew: async () => {
      tries += 1;
      if (tries < 3) {
        throw new library.CallError('later', { retry: true });
      }
      return fresh;
    } });
    third.server.answers.connect = (data) => (data.token === fresh ? undefined : refused(401, 'TOKEN_EXPIRED'));
    third.client.connect(token());
    await third.clock.pass(60_000);
    equal([tries, third.server.sent('connect').at(-1).data.token], [3, fresh]);
  }],

  ['a token about to run out is renewed on the open socket', async (library) => {
    const fresh = token(86_400, 'fresh');
    const { clock, server, client, online } = world(library, { renew: async () => fresh });
    await online(token(600));
    await clock.pass(530_000);
    equal(server.sent('connect').length, 1);
    await clock.pass(20_000);
    equal(server.sent('connect').map(({ data }) => data.token === fresh), [false, true]);
    equal([server.sockets.length, client.token === fresh, client.live], [1, true, true]);
  }],

  ['a message is told once, and an older copy never after a newer one', async (library) => {
    const { server, told, online } = world(library);
    await online();
    server.message(1);
    server.message(1);
    server.message(1, { isRetract: true, text: undefined, updated_at: stamp(50) }, 'message.retracted');
    server.message(1);
    server.message(1, { isRetract: true, text: undefined, updated_at: stamp(50) }, 'message.retracted');
    equal(told, [1, -1]);
  }],

  ['messages are told in the order of seq, and a missing one is fetched first', async (library) => {
    const { clock, server, client, told, online } = world(library);
    server.answers[LIST] = (data) => ({ code: 200, data: [message(data.beforeSeq - 1), message(data.beforeSeq - 2)].slice(0, data.limit) });
    await online();
    server.message(1);
    server.message(4);
    server.message(5);
    equal([told, client.cursor], [[1], 'c1'], 'the cursor waits for what is held');
    await clock.pass(10);
    equal([told, client.cursor], [[1, 2, 3, 4, 5], 'c5']);
    equal(server.sent(LIST).map(({ data }) => [data.beforeSeq, data.limit]), [[4, 2]]);
    server.message(7);
    server.message(6);
    equal(told, [1, 2, 3, 4, 5, 6, 7]);
  }],

  ['a seq that never came to be holds nothing up for long', async (library) => {
    const { clock, server, client, told, online } = world(library);
    server.answers[LIST] = { code: 200, data: [] };
    await online();
    server.message(1);
    server.message(3);
    await clock.pass(10);
    equal([told, client.cursor], [[1, 3], 'c3']);
    server.answers[LIST] = 'silence';
    server.message(5);
    await clock.pass(2900);
    equal(told, [1, 3]);
    await clock.pass(200);
    equal([told, client.cursor], [[1, 3, 5], 'c5']);
  }],

  ['an app that loaded a list says where a chat stands', async (library) => {
    const { clock, server, client, told, online } = world(library);
    server.answers[LIST] = { code: 200, data: [message(9)] };
    await online();
    client.chatStandsAt(CHAT, 8);
    server.message(10);
    equal(told, []);
    await clock.pass(10);
    equal(told, [9, 10]);
  }],

  ['what is sent goes one after the other, and is told when it is stored', async (library) => {
    const { clock, server, client, told, online } = world(library);
    await online();
    const sends = ['一', '二', '三'].map((text) => client.send({ chatId: CHAT, consultationId: 'o', text }));
    equal(server.sent(SEND).length, 1);
    await clock.pass(20);
    equal(server.sent(SEND).map(({ data }) => [data.text, data.type, data.direction]),
      ['一', '二', '三'].map((text) => [text, '01', 'user->doctor']));
    equal([told, client.outbox.length], [[101, 102, 103], 0]);
    equal((await sends[1].done).text, '二');
  }],

  ['what had no answer goes again under the same clientMsgId, also after a reload', async (library) => {
    const storage = keys();
    const first = world(library, { storage });
    await first.online();
    first.server.answers[SEND] = 'silence';
    first.client.send({ chatId: CHAT, consultationId: 'o', text: '在吗' });
    first.client.send({ chatId: CHAT, consultationId: 'o', text: '医生' });
    first.server.close(1006);
    await first.clock.pass(2000);
    const ids = first.server.sent(SEND).map(({ data }) => data.clientMsgId);
    equal([ids.length, ids[0] === ids[1]], [2, true]);
    equal(storage.kept.size, 2);

    const second = world(library, { storage });
    await second.online();
    await second.clock.pass(20);
    equal(second.server.sent(SEND).map(({ data }) => data.text), ['在吗', '医生']);
    equal(second.server.sent(SEND)[0].data.clientMsgId, ids[0]);
    equal([storage.kept.size, second.client.outbox.length], [0, 0]);
  }],

  ['the event to another socket of the account ends a send as well', async (library) => {
    const { server, client, told, online } = world(library);
    await online();
    server.answers[SEND] = 'silence';
    const { item, done } = client.send({ chatId: CHAT, consultationId: 'o', text: '在吗' });
    server.message(7, { direction: 'user->doctor', clientMsgId: item.clientMsgId });
    equal([(await done).seq, client.outbox.length, told], [7, 0, [7]]);
  }],

  ['what is refused for good fails and does not stop the next', async (library) => {
    const { clock, server, client, online } = world(library);
    await online();
    const good = server.answers[SEND];
    server.answers[SEND] = (data) => (data.text === '四' ? refused(409, 'REPLY_QUOTA_EXCEEDED') : good(data));
    const { item, done } = client.send({ chatId: CHAT, consultationId: 'o', text: '四' });
    client.send({ chatId: CHAT, consultationId: 'o', text: '五' });
    await clock.pass(20);
    equal((await done.catch((error) => error)).reason, 'REPLY_QUOTA_EXCEEDED');
    equal(client.outbox.map(({ state, content }) => [state, content.text]), [['failed', '四']]);
    client.discard(item);
    equal(client.outbox.length, 0);
  }],

  ['a busy server is asked again when it said', async (library) => {
    const { clock, server, client, online } = world(library);
    await online();
    const good = server.answers[SEND];
    server.answers[SEND] = refused(503, 'BUSY', { retry: true, afterMs: 4000 });
    client.send({ chatId: CHAT, consultationId: 'o', text: '等' });
    await clock.pass(3900);
    equal(server.sent(SEND).length, 1);
    server.answers[SEND] = good;
    await clock.pass(200);
    equal([server.sent(SEND).length, client.outbox.length], [2, 0]);
  }],

  ['typing is said at most every so often, and not while the line is down', async (library) => {
    const { clock, server, client, online } = world(library);
    client.typing(CHAT);
    await online();
    client.typing(CHAT);
    client.typing(CHAT);
    client.typing('other');
    await clock.pass(2500);
    client.typing(CHAT);
    equal(server.sent('typing').map(({ data }) => data.chatId), [CHAT, 'other', CHAT]);
  }],

  ['with the network switched off nothing leaves', async (library) => {
    const { clock, server, client, online } = world(library);
    await online();
    client.setNetwork(false);
    client.send({ chatId: CHAT, consultationId: 'o', text: '离线写的' });
    equal((await client.call('/x').catch((error) => error)).reason, 'OFFLINE');
    server.wake();
    await clock.pass(60_000);
    equal([client.state, server.sockets.length, server.calls.length, server.sent(SEND).length], ['offline', 1, 0, 0]);
    client.setNetwork(true);
    await clock.pass(20);
    equal([client.live, server.sent(SEND).length, client.outbox.length], [true, 1, 0]);
  }],

  ['a line that died without a word is found by a ping', async (library) => {
    const { clock, server, client, online } = world(library);
    await online();
    server.answers.ping = 'silence';
    await clock.pass(25_100);
    equal(server.sent('ping').length, 1);
    await clock.pass(16_000);
    equal([server.sockets.length, client.live], [2, true]);
  }],

  ['waking up tries at once', async (library) => {
    const { clock, server, client } = world(library);
    server.accepts = false;
    client.connect(token());
    await clock.pass(100_000);
    server.accepts = true;
    server.wake();
    await clock.pass(5);
    equal(client.live, true);
  }],

  ['signing out forgets all but what waits for this account', async (library) => {
    const storage = keys();
    const { server, client, online } = world(library, { storage });
    await online();
    server.answers[SEND] = 'silence';
    client.send({ chatId: CHAT, consultationId: 'o', text: '没发出去' });
    client.forget();
    equal([client.state, client.token, client.cursor, client.outbox.length, storage.kept.size], ['signed-out', null, null, 0, 1]);
    client.connect(`h.${base64url({ userId: 'b'.repeat(24) })}.s`);
    equal(client.outbox.length, 0);
    client.connect(token());
    equal(client.outbox.map(({ content }) => content.text), ['没发出去']);
  }],

  ['in a mini program it goes by wx', async (library) => {
    const clock = new PaperClock();
    const server = new PaperServer(clock);
    const stored = new Map();
    const wx = {
      request: ({ url, method, header, data, success, fail }) => {
        equal([method, header['Content-Type']], ['POST', 'application/json']);
        server.transport.request(url, { headers: header, body: data }).then((text) => success({ data: text, statusCode: 200 }), fail);
      },
      connectSocket: ({ url }) => {
        const on = {};
        const task = server.transport.open(url, { opened: () => on.open(), received: (data) => on.message({ data }), closed: (code) => on.close({ code }) });
        return { send: ({ data }) => task.send(data), close: ({ code }) => task.close(code), onOpen: (f) => { on.open = f; },
          onMessage: (f) => { on.message = f; }, onClose: (f) => { on.close = f; }, onError: (f) => { on.error = f; } };
      },
      onAppShow: (listener) => { wx.show = listener; },
      getStorageInfoSync: () => ({ keys: [...stored.keys()] }),
      getStorageSync: (key) => stored.get(key) ?? '',
      setStorageSync: (key, value) => stored.set(key, value),
      removeStorageSync: (key) => stored.delete(key),
    };
    const { client, told, online } = world(library, { clock, transport: library.wechatTransport(wx), storage: library.wechatStorage(wx) });
    equal((await client.call('/api/department/list')).code, 200);
    await online();
    server.message(1);
    equal(told, [1]);
    server.answers[SEND] = 'silence';
    client.send({ chatId: CHAT, consultationId: 'o', text: '小程序' });
    equal(stored.size, 1);
    server.close(1006); // in the background WeChat ends the connection
    equal(client.state, 'waiting');
    wx.show();
    await clock.pass(10);
    equal(client.live, true);
  }],
];

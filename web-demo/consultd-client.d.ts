// Types of consultd-client.js.

export type Side = 'user' | 'doctor';
export type State = 'signed-out' | 'connecting' | 'syncing' | 'online' | 'waiting' | 'offline' | 'stopped';

export interface NoticePart { type?: string; text: string }

export interface Message {
  id: string;
  chatId: string;
  consultationId?: string;
  type: '01' | '02' | '03' | '04' | '06';
  /** Of type 06 an object that holds this side's part only; absent where it was retracted. */
  text?: string | { userMsg?: NoticePart; doctorMsg?: NoticePart };
  image?: string;
  audio?: string;
  direction: 'user->doctor' | 'doctor->user' | 'system->user' | 'system->doctor';
  seq: number;
  clientMsgId?: string;
  isRetract?: boolean;
  created_at: string;
  updated_at: string;
}

/** `data` of the event `presence`: the other side of an open chat has come or gone. Not replayed: what
 * you show of it, ask 8.3 for anew after `synced`. */
export interface Presence {
  chatId: string;
  side: Side;
  userId?: string;
  doctorId?: string;
  online: boolean;
  /** Absent while online. */
  lastSeen?: string;
}

/** What else is pushed: `data` is as the API document says. */
export interface ServerEvent {
  event: 'consultation.updated' | 'chat.updated' | 'chat.read' | 'typing' | 'presence' | 'synced' | (string & {});
  cursor?: string;
  data?: any;
}

/** An answer of the server: 1.2 has its fields beside `code`, the others under `data`. */
export interface Envelope { code: number | string; msg?: string; data?: any; [field: string]: any }

/** What a send may hold: exactly one of them. */
export interface Content { text?: string; image?: string; audio?: string }

export interface OutboxItem {
  clientMsgId: string;
  chatId: string;
  consultationId: string;
  content: Content;
  /** `failed`: refused for good, see `error`; sendAgain or discard it. */
  state: 'queued' | 'sending' | 'failed';
  tries: number;
  error: CallError | null;
  created_at: string;
}

export class CallError extends Error {
  /** HTTP class; 0 where no answer came. */
  code: number;
  /** UPPER_SNAKE of the server, or NETWORK, OFFLINE, TIMEOUT, BAD_ANSWER. */
  reason: string;
  field: string;
  retry: boolean;
  afterMs: number;
}

export interface Connection { send(text: string): void; close(code: number): void }

export interface Transport {
  /** Resolves with the body of the answer; rejects with name TimeoutError after timeoutMs. */
  request(url: string, options: { headers: Record<string, string>; body: string; timeoutMs: number }): Promise<string>;
  open(url: string, hooks: { opened(): void; received(text: string): void; closed(code: number): void }): Connection;
  /** Calls the listener when it is worth to try at once: network back, program in the foreground. */
  onWake?(listener: () => void): void;
}

export interface KeyStorage {
  keys(): string[];
  get(key: string): string | null;
  set(key: string, text: string): void;
  remove(key: string): void;
}

export interface Clock {
  now(): number;
  setTimeout(work: () => void, ms: number): any;
  clearTimeout(timer: any): void;
  random(): number;
}

export interface Options {
  side: Side;
  /** https://HOST of REST; the page's own by default. */
  origin?: string;
  /** Where the live socket goes, if not there. */
  socketOrigin?: string;
  transport?: Transport;
  /** Where what waits to be sent survives a reload; memory by default. */
  storage?: KeyStorage;
  /** Fetches a new token: null: the person has to sign in; an error with `retry`: later. */
  renew?: () => Promise<string | null>;
  /** Words for NETWORK, OFFLINE, TIMEOUT, BAD_ANSWER; Chinese by default. */
  words?: (reason: string) => string;
  /** Sees every frame and call that goes by. Mask tokens before they are shown. */
  onFrame?: (frame: { side: Side; direction: 'in' | 'out'; way: 'rest' | 'socket'; name: string; payload: any }) => void;
  clock?: Clock;
  callTimeoutMs?: number;
  pauseFirstMs?: number;
  pauseMostMs?: number;
  /** How long a message waits for one before it that does not come. */
  holeWaitMs?: number;
  typingEveryMs?: number;
  renewBeforeMs?: number;
  /** Of so many messages it is remembered that they were told. */
  knownMost?: number;
}

export interface Events {
  state: State;
  /** The line is there; `reload`: load your lists, then call reloaded(). */
  ready: { reload: boolean };
  /** Created or retracted; once per change, in the order of `seq` within a chat. `isNew`: first told now. */
  message: { message: Message; isNew: boolean };
  event: ServerEvent;
  /** Keep it beside what you have shown, and give it to connect. */
  cursor: string;
  /** `outbox` has changed. */
  outbox: undefined;
  /** The token ran out and `renew` had no other. */
  expired: undefined;
}

export class ConsultdClient {
  constructor(options: Options);
  readonly side: Side;
  readonly state: State;
  readonly live: boolean;
  readonly networkOn: boolean;
  readonly token: string | null;
  readonly cursor: string | null;
  /** userId or doctorId of the token. */
  readonly account: string | null;
  /** While waiting: when the next try is made. */
  readonly retryAt: number;
  readonly closeCode: number;
  readonly outbox: readonly OutboxItem[];

  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void;
  connect(token: string, options?: { cursor?: string }): void;
  setNetwork(on: boolean): void;
  retryNow(): void;
  reloaded(): void;
  forget(): void;
  call(path: string, data?: object): Promise<Envelope>;
  typing(chatId: string): void;
  chatStandsAt(chatId: string, seq: number): void;
  send(message: { chatId: string; consultationId: string } & Content): { item: OutboxItem; done: Promise<Message> };
  sendAgain(item: OutboxItem): void;
  discard(item: OutboxItem): void;
}

export function browserTransport(scope?: { fetch: any; WebSocket: any; addEventListener?: any }): Transport;
export function wechatTransport(wx: any): Transport;
export function browserStorage(storage: { getItem(key: string): string | null; setItem(key: string, text: string): void;
  removeItem(key: string): void }): KeyStorage;
export function wechatStorage(wx: any): KeyStorage;
export function newClientMsgId(): string;
export function readToken(token: string): { userId?: string; doctorId?: string; iat?: number; exp?: number };

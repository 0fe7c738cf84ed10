// An app as the types see it; compiled only, never run.

import { browserStorage, CallError, ConsultdClient, wechatStorage, wechatTransport } from '../../web-demo/consultd-client.js';

declare const wx: unknown;

const client = new ConsultdClient({
  side: 'doctor', origin: 'https://hospital.example', storage: browserStorage(localStorage),
  renew: async () => null, onFrame: ({ direction, name }) => console.log(direction, name),
});
const off: () => void = client.on('message', ({ message, isNew }) => {
  const text: string | undefined = typeof message.text === 'object' ? message.text.doctorMsg?.text : message.text;
  console.log(message.seq, isNew, text);
});
client.on('event', ({ event, data }) => console.log(event === 'typing', data));
client.on('ready', ({ reload }) => reload && client.reloaded());
client.connect('token', { cursor: 'kept' });
const { item, done } = client.send({ chatId: 'c', consultationId: 'o', text: '您好' });
done.catch((error: CallError) => error.retry || client.discard(item));
off();
new ConsultdClient({ side: 'user', transport: wechatTransport(wx), storage: wechatStorage(wx) });

// @ts-expect-error: there is no such side
new ConsultdClient({ side: 'nurse' });
// @ts-expect-error: a send belongs to a consultation
client.send({ chatId: 'c', text: '您好' });

// /asyncapi.json made readable: the channel, its calls, its events, and why it closes. Everything
// shown comes from that document, which the server writes from the tables it runs on.

/** An element with a class (or none) and what is in it: texts and elements. */
function make(tag, className, ...inside) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

/** The little Markdown that the document's descriptions use: lists, `code`, [links](to). */
function inline(text) {
  return text.split(/(`[^`]*`|\[[^\]]*\]\([^)]*\))/).map((piece) => {
    if (piece.startsWith('`')) {
      return make('code', '', piece.slice(1, -1));
    }
    const link = piece.match(/^\[([^\]]*)\]\(([^)]*)\)$/);
    if (!link) {
      return piece;
    }
    const anchor = make('a', '', link[1]);
    anchor.href = link[2];
    return anchor;
  });
}

function prose(text) {
  return text.split('\n\n').map((block) => block.startsWith('* ')
    ? make('ul', '', ...block.slice(2).split('\n* ').map((item) => make('li', '', ...inline(item))))
    : make('p', '', ...inline(block)));
}

function table(heads, rows) {
  return make('table', '',
    make('thead', '', make('tr', '', ...heads.map((head) => make('th', '', head)))),
    make('tbody', '', ...rows.map((row) => make('tr', '', ...row.map((cell) => make('td', '', cell))))));
}

class Reader {
  constructor(api) {
    this.api = api;
  }

  resolve(part) {
    let found = part;
    while (found.$ref) {
      found = found.$ref.slice(2).split('/').reduce((at, step) => at[step], this.api);
    }
    return found;
  }

  /** A schema with what it takes from others. */
  whole(schema) {
    const own = this.resolve(schema);
    return (own.allOf ?? []).map((part) => this.whole(part)).reduceRight((all, part) => ({
      ...part,
      ...all,
      properties: { ...part.properties, ...all.properties },
      required: [...(part.required ?? []), ...(all.required ?? [])],
    }), own);
  }

  typeOf(given) {
    const schema = this.whole(given);
    if (schema.enum) {
      return schema.enum.filter((value) => value !== null && value !== '').join(' | ');
    }
    if (schema.oneOf) {
      return schema.oneOf.map((part) => this.typeOf(part)).join(' 或 ');
    }
    const types = [schema.type ?? []].flat().filter((type) => type !== 'null');
    return types.map((type) => type === 'array' ? `[${this.typeOf(schema.items)}]` : type).join(' 或 ');
  }

  static limitsOf(schema) {
    const say = [];
    const range = (from, to, unit) => {
      if (from !== undefined && to) {
        say.push(`${from}…${to}${unit}`);
      } else if (from !== undefined || to) {
        say.push(`${to ? '≤' : '≥'}${to || from}${unit}`);
      }
    };
    range(schema.minimum, schema.maximum, '');
    range(schema.minLength, schema.maxLength, ' 字');
    range(schema.minItems, schema.maxItems, ' 项');
    return say.join('，');
  }

  /** Rows of a table of an object's members, those of inner objects behind theirs. */
  rows(schema, prefix = '', depth = 0) {
    const whole = this.whole(schema);
    return Object.entries(whole.properties ?? {}).flatMap(([name, given]) => {
      const member = this.whole(given);
      const inner = member.type === 'array' ? member.items : member;
      const row = [make('code', '', prefix + name), this.typeOf(given),
        whole.required?.includes(name) ? '是' : '', Reader.limitsOf(member),
        given.description ?? member.description ?? ''];
      const below = depth < 2 && this.whole(inner).properties
        ? this.rows(inner, `${prefix}${name}${member.type === 'array' ? '[]' : ''}.`, depth + 1) : [];
      return [row, ...below];
    });
  }

  fields(title, schema) {
    const rows = schema ? this.rows(schema) : [];
    return rows.length === 0 ? [] : [make('h3', '', title),
      table(['字段', '类型', '必须', '限制', '说明'], rows)];
  }
}

function example(title, message) {
  const payload = JSON.stringify(message.examples[0].payload, null, 2);
  return make('div', '', make('h3', '', title), make('pre', '', payload));
}

function fold(id, name, summary, ...inside) {
  const details = make('details', '', make('summary', '', make('code', '', name), make('span', '', summary)),
    make('div', 'inside', ...inside));
  details.id = id;
  return details;
}

function call(reader, name, operation) {
  const message = reader.resolve(operation.messages[0]);
  const answer = reader.resolve(operation.reply.messages[0]);
  const { properties } = message.payload;
  return fold(name, properties.call.const, operation.summary,
    operation.description && make('p', '', operation.description),
    ...reader.fields('请求 data', properties.data),
    ...reader.fields('应答 data', answer.payload.properties?.data),
    make('div', 'pair', example('调用', message), example('应答', answer)),
    make('h3', '', '可能的失败原因'),
    make('ul', 'reasons', ...operation['x-reasons'].map((reason) => make('li', '', reason))));
}

function event(reader, name, operation) {
  const message = reader.resolve(operation.messages[0]);
  const { properties } = message.payload;
  return fold(name, properties.event.const, operation.summary,
    make('p', '', properties.cursor ? '带游标，断线后会补上。' : '不带游标，不会补发；连接太慢时最先丢弃。'),
    ...reader.fields('data', properties.data), example('例子', message));
}

function closeCodes(codes) {
  return table(['关闭码', '意思', '是否重连'], codes.map(({ code, meaning, reconnect }) => [
    make('code', '', String(code)), meaning,
    make('span', reconnect ? 'yes' : 'no', reconnect ? '稍等后重连，带上游标' : '不要原样重连')]));
}

function render(api) {
  const reader = new Reader(api);
  const channel = api.channels.ws;
  const operations = Object.entries(api.operations);
  const own = operations.filter(([, { action, messages }]) => action === 'receive'
    && !reader.resolve(messages[0]).name.startsWith('/'));
  const endpoints = operations.filter(([, { action, messages }]) => action === 'receive'
    && reader.resolve(messages[0]).name.startsWith('/'));
  const events = operations.filter(([, { action }]) => action === 'send');
  document.getElementById('page').replaceChildren(
    make('h1', '', '长连接 ', make('code', '', channel.address)),
    ...prose(api.info.description),
    make('h2', '', '连接本身的调用'), ...own.map(([name, operation]) => call(reader, name, operation)),
    make('h2', '', '事件'), ...events.map(([name, operation]) => event(reader, name, operation)),
    make('h2', '', '关闭码'), ...prose(channel.description), closeCodes(channel['x-close-codes']),
    make('h2', '', '失败的应答'), ...reader.fields('', { $ref: '#/components/schemas/failure' }),
    example('例子', api.components.messages.failure),
    make('h2', '', 'REST 接口作为调用'), ...endpoints.map(([name, operation]) => call(reader, name, operation)));
  document.getElementById(location.hash.slice(1))?.setAttribute('open', '');
}

const answer = await fetch('/asyncapi.json');
render(await answer.json());

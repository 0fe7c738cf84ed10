// Elements, icons and the few moving parts every pane uses. Nothing here takes HTML: every word
// that came from a person or from the server reaches the page as a text node.

const SVG = 'http://www.w3.org/2000/svg';

/** h('button', {class, test, on:{click}, disabled, 'aria-label':…}, child, 'text', [more]) */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) {
        node.addEventListener(event, listener);
      }
    } else if (name === 'test') {
      node.setAttribute('data-test', value);
    } else if (name === 'value' || name === 'checked') {
      node[name] = value;
    } else {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) {
      node.append(child);
    }
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

const PATHS = {
  back: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
  down: 'M5 9l7 7 7-7',
  up: 'M5 15l7-7 7 7',
  send: 'M4 12l16-8-6 16-3-6-7-2z',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  mic: 'M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4zM6 11.5a6 6 0 0 0 12 0M12 17.5V21',
  play: 'M8 5.5v13l10-6.5z',
  pause: 'M8 6v12M16 6v12',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5',
  home: 'M4 11l8-7 8 7M6 9.5V20h12V9.5',
  chat: 'M4 5h16v11H10l-4 4v-4H4z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3.5 2',
  alert: 'M12 4l9 16H3zM12 10v4.5M12 17.3h.01',
  wifi: 'M3 9.5a13 13 0 0 1 18 0M6 13a8.5 8.5 0 0 1 12 0M9 16.4a4.2 4.2 0 0 1 6 0M12 19.5h.01',
  wifiOff: 'M4 4l16 16M9 16.4a4.2 4.2 0 0 1 6 0M6 13a8.5 8.5 0 0 1 4-2.2M3 9.5a13 13 0 0 1 4-2.6M12 6a13 13 0 0 1 9 3.5M12 19.5h.01',
  globe: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c5 5.5 5 12.5 0 18M12 3c-5 5.5-5 12.5 0 18',
  frames: 'M4 7h12l-3-3M20 17H8l3 3',
  refresh: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3M19.5 4v4h-4',
  trash: 'M5 7h14M9 7V4.5h6V7M7 7l1 13h8l1-13',
  shield: 'M12 3l8 3v6c0 4.5-3.5 7.5-8 9-4.5-1.5-8-4.5-8-9V6z',
  edit: 'M4 20h4L19 9l-4-4L4 16z',
  bell: 'M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15zM10 20.5h4',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4',
  exit: 'M14 4H5v16h9M10 12h11M17 8l4 4-4 4',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
  wand: 'M5 19L16 8M14 4v3M19 9h-3M18.5 4.5l-1.5 1.5M8 5v2M7 6h2',
  stethoscope: 'M6 4v5a4 4 0 0 0 8 0V4M10 13v2a4.5 4.5 0 0 0 9 0v-3M19 12a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z',
};

/** A line icon for the eye only; what it means is said by its button's label. */
export function icon(name, extra = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon ${extra}`.trim());
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** A designed state in place of content: loading, empty, failed. */
export function placeholder({ art = 'chat', title, text, action, tone = '', test }) {
  return h('div', { class: `placeholder ${tone}`, test, role: tone === 'bad' ? 'alert' : null },
    h('div', { class: 'placeholder-art' }, icon(art)),
    title && h('p', { class: 'placeholder-title' }, title),
    text && h('p', { class: 'placeholder-text' }, text),
    action);
}

export function skeleton(rows, label) {
  return h('div', { class: 'skeleton', role: 'status', 'aria-label': label },
    Array.from({ length: rows }, () => h('div', { class: 'skeleton-row' },
      h('span', { class: 'skeleton-dot' }),
      h('span', { class: 'skeleton-lines' }, h('i'), h('i')))));
}

/**
 * Makes the children of `parent` match `items`, keeping every node whose key and signature did not
 * change: scroll, focus and running voices survive an update.
 */
export function patchList(parent, items, { key, signature, render }) {
  const old = new Map();
  for (const node of parent.children) {
    old.set(node.dataset.key, node);
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const sign = signature(item);
    let node = old.get(name);
    old.delete(name);
    if (!node || node.dataset.sign !== sign) {
      const fresh = render(item);
      fresh.dataset.key = name;
      fresh.dataset.sign = sign;
      if (node) {
        const focused = node.contains(document.activeElement)
          ? document.activeElement.getAttribute('data-test') : null;
        if (at === node) {
          at = fresh;
        }
        node.replaceWith(fresh);
        if (focused) {
          const again = fresh.matches(`[data-test="${focused}"]`)
            ? fresh : fresh.querySelector(`[data-test="${focused}"]`);
          again?.focus({ preventScroll: true });
        }
      }
      node = fresh;
    }
    if (node === at) {
      at = at.nextElementSibling;
    } else {
      parent.insertBefore(node, at);
    }
  }
  for (const node of old.values()) {
    node.remove();
  }
}

/** A dialog over one pane only; resolves with what a button gave, or null when it was closed. */
export function overlay(host, build, { label, kind = 'sheet' } = {}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const others = [...host.children];
    const finish = (value) => {
      box.remove();
      for (const other of others) {
        other.inert = false;
      }
      before?.isConnected && before.focus({ preventScroll: true });
      resolve(value);
    };
    const panel = h('div', { class: `overlay-panel ${kind}`, role: 'dialog', 'aria-modal': 'true',
      'aria-label': label, tabindex: '-1' });
    const box = h('div', { class: `overlay overlay-${kind}`, on: {
      click: (event) => event.target === box && finish(null),
      keydown: (event) => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          finish(null);
        }
      },
    } }, panel);
    append(panel, [build(finish)]);
    for (const other of others) {
      other.inert = true;
    }
    host.append(box);
    (panel.querySelector('[autofocus]') ?? panel).focus({ preventScroll: true });
  });
}

export function confirmIn(host, { title, text, yes, no, danger = false }) {
  return overlay(host, (done) => [
    h('h3', { class: 'overlay-title' }, title),
    text && h('p', { class: 'overlay-text' }, text),
    h('div', { class: 'overlay-buttons' },
      h('button', { class: 'button quiet', type: 'button', test: 'confirm-no',
        on: { click: () => done(false) } }, no),
      h('button', { class: `button ${danger ? 'danger' : 'primary'}`, type: 'button', autofocus: true,
        test: 'confirm-yes', on: { click: () => done(true) } }, yes)),
  ], { label: title, kind: 'confirm' });
}

export function viewImage(host, url, label, closeLabel) {
  return overlay(host, (done) => [
    h('img', { class: 'viewer-image', src: url, alt: label }),
    h('button', { class: 'viewer-close', type: 'button', autofocus: true, 'aria-label': closeLabel,
      test: 'viewer-close', on: { click: () => done(null) } }, icon('close')),
  ], { label, kind: 'viewer' });
}

/** Short words over a pane: said to a screen reader, gone by themselves, never in the way. */
export class Toasts {
  constructor(host) {
    this.box = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });
    host.append(this.box);
  }

  show(text, { tone = '', action, ms = tone ? 6000 : 2600 } = {}) {
    const item = h('div', { class: `toast ${tone}`, test: `toast${tone ? `-${tone}` : ''}` },
      icon(tone === 'bad' ? 'alert' : tone === 'ring' ? 'bell' : 'check'),
      h('span', { class: 'toast-text' }, text),
      action && h('button', { class: 'toast-action', type: 'button',
        on: { click: () => { item.remove(); action.run(); } } }, action.label));
    this.box.append(item);
    while (this.box.children.length > 3) {
      this.box.firstChild.remove();
    }
    setTimeout(() => item.remove(), ms);
    return item;
  }
}

const clocks = new Map();

/** Calls `tell(node, now)` at once and each second for as long as the node is in the page. */
export function everySecond(node, tell) {
  clocks.set(node, { tell, absent: 0 });
  tell(node, Date.now());
  return node;
}

setInterval(() => {
  const now = Date.now();
  for (const [node, clock] of clocks) {
    if (node.isConnected) {
      clock.absent = 0;
      clock.tell(node, now);
    } else if (++clock.absent > 3) {
      clocks.delete(node);
    }
  }
}, 1000);

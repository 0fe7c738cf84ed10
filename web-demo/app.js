// The page: two panes and a drawer. `?view=patient` or `?view=doctor` shows one pane alone;
// `?doctor=http://127.0.0.1:PORT` puts the doctor's live socket on another node of the same
// hospital, so that two nodes can be watched telling one story.

import { fill, h, icon } from './dom.js';
import { language, onLanguage, setLanguage, t } from './i18n.js';
import { DoctorPane } from './doctor.js';
import { Frames } from './frames.js';
import { PatientPane } from './patient.js';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Where the doctor's socket goes. A link must not be able to lead a token to a stranger's server:
 * only this host, or loopback when the page itself came from loopback, is taken.
 */
function doctorOrigin(asked) {
  try {
    const url = new URL(asked);
    const sameHost = url.hostname === location.hostname;
    const bothLocal = LOOPBACK.test(url.hostname) && LOOPBACK.test(location.hostname);
    return ['http:', 'https:'].includes(url.protocol) && (sameHost || bothLocal) ? url.origin : location.origin;
  } catch {
    return location.origin;
  }
}

const query = new URLSearchParams(location.search);
const only = ['patient', 'doctor'].includes(query.get('view')) ? query.get('view') : null;
const main = document.getElementById('main');
const header = document.getElementById('header');
const drawer = document.getElementById('frames');

const frames = new Frames(drawer, (open) => document.body.classList.toggle('frames-open', open));
const roots = {
  patient: h('section', { class: 'pane patient-pane', id: 'pane-patient', test: 'patient-pane', 'aria-labelledby': 'patient-name' }),
  doctor: h('section', { class: 'pane doctor-pane', id: 'pane-doctor', test: 'doctor-pane', 'aria-labelledby': 'doctor-name' }),
};
const makers = {
  patient: () => new PatientPane(roots.patient, { socketOrigin: location.origin, onFrame: frames.take }),
  doctor: () => new DoctorPane(roots.doctor, { socketOrigin: doctorOrigin(query.get('doctor')), onFrame: frames.take }),
};
const shown = only ? [only] : ['patient', 'doctor'];
let current = shown[0];

function show(name) {
  current = name;
  document.body.dataset.shown = name;
  frames.toggle(name === 'frames');
  for (const button of header.querySelectorAll('.view-tab')) {
    button.setAttribute('aria-pressed', String(button.dataset.view === name));
  }
  panes[name]?.view?.shown?.();
  panes[name]?.screen?.shown?.();
  panes[name]?.store.changed();
}

function buildHeader() {
  const tabs = [...shown, 'frames'].map((name) => h('button', { class: 'view-tab', type: 'button', test: `view-${name}`, 'data-view': name,
    'aria-pressed': String(name === current), on: { click: () => show(name) } }, t(`pane.${name}`)));
  fill(header,
    h('div', { class: 'brand' }, h('img', { class: 'brand-mark', src: 'icon.svg', alt: '' }),
      h('div', {}, h('h1', {}, t('app.hospital')), h('p', {}, t('app.title'), h('span', { class: 'brand-tech' }, 'consultd')))),
    h('div', { class: 'view-tabs', role: 'group', 'aria-label': t('app.views') }, tabs),
    h('button', { class: 'button small quiet language', type: 'button', test: 'language', 'aria-label': t('app.language.label'),
      on: { click: () => setLanguage(language() === 'zh' ? 'en' : 'zh') } }, icon('globe'), t('app.language')));
  document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
  document.title = `${t('app.hospital')} · ${t('app.title')}`;
  document.getElementById('skip').textContent = t('app.skip');
}

buildHeader();
onLanguage(() => {
  const again = document.activeElement?.dataset?.test === 'language';
  buildHeader();
  again && header.querySelector('.language').focus();
});
document.body.dataset.view = only ?? 'both';
document.body.dataset.shown = current;
fill(main, shown.map((name) => roots[name]));
const panes = Object.fromEntries(shown.map((name) => [name, makers[name]()]));
document.addEventListener('visibilitychange', () => {
  for (const pane of Object.values(panes)) {
    pane.store.changed();
  }
});

// What the stories need of a browser: one Chromium with a fresh profile, pages that remember
// everything that went wrong in them, and short names for the two panes.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const BASE_URL = (process.env.BASE_URL ?? '').replace(/\/$/, '');
/** Another node of the same hospital: where pages that show the doctor's side alone are opened. */
const DOCTOR_URL = (process.env.DOCTOR_URL ?? BASE_URL).replace(/\/$/, '');
export const TWO_NODES = DOCTOR_URL !== BASE_URL;
const DEADLINE_MS = 20_000;
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-quic'];

let pictures = 0;

export function launch() {
  if (!BASE_URL) {
    throw new Error('BASE_URL is not set: the address of a running consultd --demo');
  }
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
}

export const by = (name) => `[data-test="${name}"]`;

/** A pane of the page, or any part of one: `pane.get('send')` is what bears that data-test. */
export class Part {
  constructor(locator) {
    this.at = locator;
  }

  get(name, more = '') {
    return this.at.locator(by(name) + more);
  }

  async click(name, more = '') {
    await this.get(name, more).click();
  }

  /** Waits until the text stands in a part of that name. */
  async see(name, text) {
    await this.get(name).filter({ hasText: text }).last().waitFor();
  }

  async write(text) {
    await this.get('composer').fill(text);
    await this.click('send');
  }
}

/**
 * A page in a context of its own. `problems` collects every console error, page error, failed
 * request and breach of the content security policy; `allow` names what a story provokes on
 * purpose.
 */
export async function openPage(browser, { query = '', width = 1440, height = 900, allow = [], context } = {}) {
  const inside = context ?? await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce' });
  const page = await inside.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const problems = [];
  const note = (text) => allow.some((pattern) => pattern.test(text)) || problems.push(text);
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && note(`console: ${message.text()}`));
  page.on('pageerror', (error) => note(`error: ${error.stack}`));
  page.on('requestfailed', (request) => {
    // A browser takes from a voice what it needs to know its length, and leaves the rest.
    // A page that is left takes no icon any more.
    const enough = (request.resourceType() === 'media' || request.url().endsWith('/icon.svg'))
      && request.failure()?.errorText === 'net::ERR_ABORTED';
    enough || note(`request: ${request.url()} ${request.failure()?.errorText}`);
  });
  await page.exposeFunction('reportBreach', (text) => note(`policy: ${text}`));
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) => {
    window.reportBreach(`${event.violatedDirective} ${event.blockedURI}`);
  }));
  await page.goto(`${query === '?view=doctor' ? DOCTOR_URL : BASE_URL}/${query}`);
  return {
    page, problems, context: inside,
    whole: new Part(page.locator('body')),
    patient: new Part(page.locator(by('patient-pane'))),
    doctor: new Part(page.locator(by('doctor-pane'))),
    close: () => inside.close(),
  };
}

export async function picture(page, name) {
  const folder = process.env.SCREENSHOT_DIR;
  if (folder) {
    mkdirSync(folder, { recursive: true });
    pictures += 1;
    await page.screenshot({ path: path.join(folder, `${String(pictures).padStart(2, '0')}-${name}.png`) });
  }
}

/** Letters that no other run used: the demo doctors are shared, their patients must not be. */
export function fresh() {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  return Array.from({ length: 8 }, () => letters[Math.floor(Math.random() * letters.length)]).join('');
}

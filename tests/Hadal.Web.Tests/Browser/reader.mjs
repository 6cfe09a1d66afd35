// Somebody who reads the page: what the scenarios do, in one word each.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export class Reader {
  faults = [];

  static async open(browser, url, options = {}) {
    const reader = new Reader();
    Object.assign(reader, { browser, url, options });
    reader.context = await browser.newContext({ viewport: { width: 1280, height: 820 }, locale: 'en-GB', permissions: ['clipboard-read', 'clipboard-write'], bypassCSP: false, ...options.context });
    if (options.sees) await reader.context.route('**/v1/models', async route => {
      const models = await (await route.fetch()).json();
      models.data[0].input_modalities.push('image');
      models.data.push({ ...models.data[0], id: 'tuned', parent: models.data[0].id });
      await route.fulfill({ json: models });
    });
    reader.page = await reader.context.newPage();
    reader.page.setDefaultTimeout(30_000);
    reader.page.on('pageerror', fault => reader.faults.push(`page error: ${fault.message}`));
    reader.page.on('console', message => {
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) reader.faults.push(`console: ${message.text()}`);
    });
    reader.page.on('request', request => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) reader.faults.push(`asked elsewhere: ${request.url()}`);
    });
    await reader.page.goto(url, { timeout: 60_000 });
    await reader.page.waitForSelector('#compose', { timeout: 60_000 });
    return reader;
  }

  /** Another browser of the same kind, with nothing in it. */
  another(options = {}, url = this.url) { return Reader.open(this.browser, url, { folder: this.options.folder, ...options }); }

  /** A new conversation with the first model, on a wide screen. */
  async begin() {
    await this.page.setViewportSize({ width: 1280, height: 820 });
    await this.page.keyboard.press('Control+Shift+O');
    await this.page.waitForSelector('.empty');
    await this.pick('hadal-mini');
    await this.pickSecond('');
  }

  pick(model) { return this.page.locator('.picker select').first().selectOption(model); }

  pickSecond(model) { return this.page.locator('.picker select').nth(1).selectOption(model); }

  async say(text) {
    await this.page.fill('#compose', text);
    await this.page.keyboard.press('Enter');
  }

  /** Says something and waits for the whole answer. */
  async ask(text) {
    const before = await this.messages().count();
    await this.say(text);
    await this.page.waitForFunction(count => document.querySelectorAll('.message').length > count, before);
    await this.idle();
  }

  idle() { return this.page.waitForSelector('.send[aria-label="Send"], .send[aria-label="发送"]'); }

  messages() { return this.page.locator('.message'); }

  answer() { return this.page.locator('.message.answer').last(); }

  button(name, within = this.page) { return within.getByRole('button', { name, exact: true }); }

  async limit(tokens, page = this.page) {
    await page.keyboard.press('Control+.');
    await page.getByLabel('Tokens at most').fill(String(tokens));
    await page.getByLabel('Tokens at most').blur();
    await page.keyboard.press('Control+.');
  }

  async importFile(name, text) {
    await this.page.locator('#list input[type=file]').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
    const note = this.page.locator('.mud-snackbar').last();
    await note.waitFor();
    const said = await note.innerText();
    await note.getByRole('button').click().catch(() => {});
    return said;
  }

  shot(name, options = {}) { return this.page.screenshot({ path: `${this.options.folder}/${name}.png`, ...options }); }

  /** What axe finds; nothing is expected. */
  async accessible(what) {
    await this.page.evaluate(axe);
    const found = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    assert.deepEqual(found.violations.map(item => `${item.id}: ${item.nodes.map(node => node.html.slice(0, 140)).join(' | ')}`), [], what);
  }
}

/** A file of conversations, mostly of one, that end with an answer. */
export function fileWith(content, more = {}) {
  return JSON.stringify({
    format: 'hadal-conversations', version: 1, conversations: Array.from({ length: more.count ?? 1 }, () => ({
      id: 'imported' + Math.random().toString(36).slice(2), created: '2026-11-01T10:00:00Z', updated: '2030-01-01T10:00:00Z', title: more.title ?? 'An imported conversation',
      messages: [{ id: 'q', role: 'User', content: more.question ?? 'Show me' }, { id: 'a', parent_id: 'q', role: 'Assistant', model: 'hadal-mini', content, finish_reason: 'stop', ...more.answer }],
    })),
  });
}

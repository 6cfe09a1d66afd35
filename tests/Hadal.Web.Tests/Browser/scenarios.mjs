// Each scenario is one test of PageTests.cs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileWith } from './reader.mjs';

export async function streams(reader) {
  await reader.pick('slow');
  await reader.limit(60);
  await reader.say('It was in July, and the');
  const answer = reader.answer();
  await answer.locator('.prose p').first().waitFor();
  const early = (await answer.locator('.prose').innerText()).length;
  assert.equal(await answer.getAttribute('aria-busy'), 'true');
  assert.equal(await reader.page.locator('[aria-live]').innerText(), 'slow is answering.');
  await reader.idle();
  const whole = await answer.locator('.prose').innerText();
  assert.ok(early > 0 && whole.length > early, `${early} characters of ${whole.length}`);
  assert.match(await answer.locator('.figures').first().innerText(), /^60 tokens · \d[\d.]* tokens\/s · first after \d+ ms$/);
  assert.match(await answer.innerText(), /reached its limit/);

  // A screen reader is told the whole answer once, not each word.
  assert.equal((await reader.page.locator('[aria-live]').innerText()).replace(/\s+/g, ' '), whole.replace(/\s+/g, ' '));
}

export async function stops(reader) {
  await reader.pick('slow');
  await reader.limit(900);
  await reader.say('The old lighthouse keeper had');
  await reader.answer().locator('.prose p').first().waitFor();
  await reader.page.keyboard.press('Escape');
  await reader.idle();
  const answer = reader.answer();
  assert.match(await answer.innerText(), /Stopped\./);
  const text = await answer.locator('.prose').innerText();
  await reader.ask('And then');
  assert.ok(text.length > 0 && (await reader.page.locator('.message.answer').first().locator('.prose').innerText()) === text);
}

export async function branches(reader) {
  await reader.limit(8);
  await reader.ask('Once upon');
  const first = reader.answer();
  await reader.button('Answer again', first).click();
  await first.getByText('2/2').waitFor();
  await reader.idle();
  await reader.button('Previous version', reader.answer()).click();
  await reader.answer().getByText('1/2').waitFor();
  await reader.ask('And then');
  assert.equal(await reader.messages().count(), 4);

  // The question is said otherwise; what followed it stays where it was.
  const question = reader.messages().first();
  await question.hover();
  await reader.button('Edit', question).click();
  await question.locator('textarea').fill('Long ago');
  await reader.button('Send instead', question).click();
  await reader.page.getByText('Long ago').first().waitFor();
  await reader.idle();
  assert.equal(await reader.messages().count(), 2);
  await reader.button('Previous version', reader.messages().first()).click();
  await reader.page.waitForFunction(() => document.querySelectorAll('.message').length === 4);
  assert.equal(await reader.messages().first().locator('.said').innerText(), 'Once upon');

  await reader.messages().nth(1).hover();
  await reader.button('Go on in a new conversation', reader.messages().nth(1)).click();
  await reader.page.waitForFunction(() => document.querySelectorAll('.message').length === 2);
  await reader.ask('And later');
  assert.equal(await reader.messages().count(), 4);
}

const rich = [
  '### A pump\n\nIts **head** falls with the flow, and `H(0)` is known.', '1. Measure.\n2. Compare:\n   - at rest\n   - at speed', '| flow | head |\n|---:|---:|\n| 10 | 42.0 |\n| 20 | 38.5 |',
  '```csharp\n// Head in metres.\npublic static double Head(double flow)\n{\n    return 45 - 0.02 * flow * flow;\n}\n```', 'With \\(Q\\) the flow:\n\n\\[H(Q) = H_0 - k Q^2, \\qquad P = \\frac{\\rho g Q H}{\\eta}\\]',
  '$$\\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}, \\quad \\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}$$', '> Formulas are drawn by the browser.',
].join('\n\n');

export async function shows_markdown(reader) {
  assert.match(await reader.importFile('a.json', fileWith(rich, { title: 'Pump curves', question: 'How does the head of a pump fall with the flow?', answer: { reasoning: 'The reader wants the curve and its formula.', figures: { completion_tokens: 212, prompt_tokens: 31, first_token_ms: 48, tokens_per_second: 61.2 } } })), /1 conversations/);
  await reader.page.getByRole('button', { name: 'Pump curves', exact: true }).click();
  const answer = reader.answer();
  await answer.locator('h2').waitFor();
  assert.equal(await answer.locator('ol > li').count(), 2);
  assert.equal(await answer.locator('th').count(), 2);
  assert.equal(await answer.locator('math').count(), 3);
  assert.equal(await answer.locator('.keyword', { hasText: 'public' }).count(), 1);
  const box = await answer.locator('math mfrac').first().boundingBox();
  assert.ok(box.height > 20, 'the browser draws formulas');
  await reader.button('Copy code', answer).click();
  await answer.getByText('Copied').first().waitFor();
  assert.match(await reader.page.evaluate(() => navigator.clipboard.readText()), /^\/\/ Head in metres\./);
  await reader.button('Copy', answer).click();
  await answer.getByRole('button', { name: 'Copied' }).last().waitFor();
  assert.equal(await reader.page.evaluate(() => navigator.clipboard.readText()), rich);
  await reader.accessible('a rich answer');
  await reader.shot('chat-light-en');
}

export async function stays_unharmed(reader) {
  const hostile = '<script>window.harmed = 1</script>\n\n<img src=x onerror="window.harmed = 1">\n\n[a](javascript:window.harmed=1) ![p](https://elsewhere.example/p.png)\n\n$\\text{</math><img src=x onerror=window.harmed=1>}$\n\n```"><img src=x onerror=window.harmed=1>\nx\n```';
  await reader.importFile('h.json', fileWith(hostile, { title: 'Hostile <img src=x onerror=window.harmed=1>', question: hostile, answer: { model: '<script>window.harmed=1</script>', error: hostile.replaceAll('\n', ' ') } }));
  await reader.page.getByRole('button', { name: /^Hostile/ }).first().click();
  await reader.answer().locator('.prose p').first().waitFor();
  assert.equal(await reader.page.evaluate(() => window.harmed), undefined);
  assert.equal(await reader.page.locator('.thread img, .thread script, .thread a[href^="javascript"]').count(), 0);

  // Nothing that is written within the page can become a script either.
  const stopped = await reader.page.evaluate(() => new Promise(resolve => {
    document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective), { once: true });
    const script = document.createElement('script');
    script.textContent = 'window.harmed = 1';
    document.body.append(script);
    setTimeout(() => resolve('nothing'), 3000);
  }));
  assert.match(stopped, /^script-src/);
  assert.equal(await reader.page.evaluate(() => window.harmed), undefined);
  reader.faults.length = 0;
}

export async function refuses_files(reader) {
  const before = await reader.page.locator('#list nav li').count();
  assert.match(await reader.importFile('b.json', '{"format":"hadal-conversations"'), /Nothing was imported/);
  assert.match(await reader.importFile('c.json', fileWith('x').replace('"parent_id":"q"', '"parent_id":"nobody"')), /messages\[1\]\.parent_id/);
  assert.equal(await reader.page.locator('#list nav li').count(), before);
}

export async function keeps_conversations(reader) {
  await reader.limit(8);
  await reader.ask('A zebra in the harbour');
  const other = await reader.context.newPage();
  await other.goto(reader.url);
  await other.getByRole('button', { name: 'A zebra in the harbour', exact: true }).click();
  assert.equal(await other.locator('.message').count(), 2);

  // Searched, renamed, exported, deleted.
  await other.keyboard.press('Control+k');
  await other.keyboard.type('HARBOUR zebra');
  await other.waitForFunction(() => document.querySelectorAll('#list nav li').length === 1);
  await other.getByRole('button', { name: 'Actions for A zebra in the harbour' }).click();
  await other.getByText('Rename', { exact: true }).click();
  await other.locator('.rename').fill('Stripes');
  await other.keyboard.press('Enter');
  await other.getByRole('button', { name: 'Stripes', exact: true }).waitFor();
  const waiting = other.waitForEvent('download');
  await other.getByRole('button', { name: 'Export all' }).click();
  const file = JSON.parse(readFileSync(await (await waiting).path(), 'utf8'));
  assert.equal(file.format, 'hadal-conversations');
  assert.equal(file.conversations.filter(each => each.title === 'Stripes').length, 1);
  await other.getByRole('button', { name: 'Actions for Stripes' }).click();
  await other.getByText('Delete', { exact: true }).click();
  await other.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await other.getByText('Nothing has these words.').waitFor();
  await other.close();
}

export async function keeps_what_is_written(reader) {
  const open = async () => {
    const page = await reader.context.newPage();
    await page.goto(reader.url);
    await page.waitForSelector('#compose');
    return page;
  };
  const title = 'A lamp that was never lit';
  const writer = await open();
  await reader.limit(400, writer);
  await writer.locator('.picker select').first().selectOption('slow');
  await writer.fill('#compose', title);
  await writer.keyboard.press('Enter');
  let kept;
  for (const end = Date.now() + 30_000; !kept;) {
    kept = await writer.evaluate(async title => {
      const { load } = await import('./hadal.js');
      const messages = (await load()).map(text => JSON.parse(text)).find(each => each.title === title)?.messages ?? [];
      const answer = messages.find(message => message.role === 'Assistant');
      if (answer?.finish_reason) throw new Error('the answer was over before it was seen half written');
      return answer?.content.trim();
    }, title);
    assert.ok(kept || Date.now() < end, 'no answer was kept within 30 seconds');
  }

  await writer.close();

  const later = await open();
  await later.getByRole('button', { name: title, exact: true }).click();
  const answer = later.locator('.message.answer');
  assert.match(await answer.innerText(), /Stopped\./);
  const text = await answer.locator('.prose').innerText();
  assert.ok(text.trim().length > 0, `nothing of ${kept}`);
  await later.close();
}

export async function says_when_full(reader) {
  const second = await reader.another();
  assert.match(await second.importFile('large.json', fileWith('water '.repeat(170_000), { count: 5 })), /^4 were imported, then there was no more room/);
  assert.match(await second.page.locator('.notice').innerText(), /no more room: this conversation is not kept/);
  await second.context.close();
}

export async function chooses_per_conversation(reader) {
  await reader.ask('First of all');
  const asked = reader.page.waitForRequest('**/v1/chat/completions');
  await reader.page.keyboard.press('Control+.');
  await reader.page.getByLabel('System prompt').fill('Be brief.');
  await reader.page.getByLabel(/^Temperature/).fill('0');
  await reader.page.getByLabel(/^Top-p/).fill('0.9');
  await reader.page.getByLabel('Seed').fill('7');
  await reader.page.getByLabel('Tokens at most').fill('5');
  await reader.page.getByLabel('Tokens at most').blur();
  await reader.pick('chat');
  await reader.page.getByLabel('Thinking').selectOption('off');
  await reader.accessible('the options');
  await reader.ask('Hello');
  const body = (await asked).postDataJSON();
  assert.deepEqual(
    [body.model, body.messages[0], body.temperature, body.top_p, body.seed, body.max_tokens, body.thinking],
    ['chat', { role: 'system', content: 'Be brief.' }, 0, 0.9, 7, 5, { type: 'disabled' }]);

  // They belong to this conversation, and come back with it.
  await reader.begin();
  assert.equal(await reader.page.getByLabel('System prompt').inputValue(), '');
  await reader.page.getByRole('button', { name: 'First of all', exact: true }).click();
  await reader.page.waitForFunction(() => document.querySelector('#options textarea').value === 'Be brief.');
  assert.equal(await reader.page.locator('.picker select').first().inputValue(), 'chat');
  await reader.button('Reset').click();
  await reader.page.keyboard.press('Control+.');
}

export async function folds_reasoning(reader) {
  await reader.pick('reasoner');
  await reader.limit(12);
  await reader.ask('Think');
  const thoughts = reader.answer().locator('details.reasoning');
  assert.equal(await thoughts.getAttribute('open'), null);
  assert.ok(!(await thoughts.locator('.prose').isVisible()));
  await thoughts.getByText('Thoughts').click();
  assert.ok((await thoughts.locator('.prose').innerText()).length > 0);
}

const calling = [
  { id: 'q', role: 'User', content: 'How long will units 7 and 9 last?' },
  {
    id: 'a', parent_id: 'q', role: 'Assistant', model: 'hadal-mini', content: 'I look both up.', finish_reason: 'tool_calls',
    tool_calls: [{ id: 'c1', name: 'remaining_cycles', arguments: '{"unit":7,"load":{"rpm":2900,"note":"<b>leaks</b>"}}' }, { id: 'c2', name: 'remaining_cycles', arguments: '{"unit":9' }],
  },
  { id: 'r1', parent_id: 'a', role: 'Tool', tool_call_id: 'c1', content: '{"cycles":112,"bearing":"worn"}' },
  { id: 'r2', parent_id: 'r1', role: 'Tool', tool_call_id: 'c2', content: 'Unit 9 is not known. '.repeat(120) },
  { id: 'e', parent_id: 'r2', role: 'Assistant', model: 'hadal-mini', content: 'Unit 7 lasts **112 cycles**; unit 9 is not known.', finish_reason: 'stop' },
];

const callingFile = title => JSON.stringify({
  format: 'hadal-conversations', version: 1, conversations: [{ id: 'tools' + Math.random().toString(36).slice(2), created: '2026-11-01T10:00:00Z', updated: '2030-01-01T10:00:00Z', title, messages: calling }],
});

export async function shows_tool_calls(reader) {
  await reader.importFile('t.json', callingFile('Two units'));
  await reader.page.getByRole('button', { name: 'Two units', exact: true }).click();
  const calls = reader.messages().nth(1).locator('details.call');
  await calls.first().waitFor();
  assert.equal(await reader.messages().count(), 5);
  assert.deepEqual(await calls.locator('summary').allInnerTexts(), ['Call of remaining_cycles', 'Call of remaining_cycles']);
  assert.match(await calls.first().locator('pre').innerText(), /^\{\n  "unit": 7,\n  "load": \{\n    "rpm": 2900,\n    "note": "<b>leaks<\/b>"\n  \}\n\}\s*$/);

  // Arguments that were cut stay as they are; results are named by what was called, long ones folded.
  assert.equal((await calls.nth(1).locator('pre').innerText()).trim(), '{"unit":9');
  const result = reader.page.getByRole('article', { name: 'Result of remaining_cycles' });
  assert.equal(await result.count(), 2);
  assert.match(await result.first().locator('pre').innerText(), /"cycles": 112/);
  assert.ok(!(await result.nth(1).locator('pre').isVisible()));

  // By keyboard.
  await result.nth(1).locator('summary').focus();
  await reader.page.keyboard.press('Enter');
  assert.match(await result.nth(1).locator('pre').innerText(), /^Unit 9 is not known/);
  await reader.page.keyboard.press('Enter');
  assert.ok(!(await result.nth(1).locator('pre').isVisible()));
  assert.equal(await reader.button('Answer again', result.first()).count(), 0);
  await reader.accessible('calls of tools');
  await reader.page.locator('.thread').evaluate(thread => { thread.scrollTop = 0; });
  await reader.shot('tools-light-en');

  // The model is told of them, and its own calls appear.
  const events = [
    { delta: { role: 'assistant', content: '' } }, { delta: { tool_calls: [{ index: 0, id: 'c3', type: 'function', function: { name: 'order_part', arguments: '' } }] } },
    { delta: { tool_calls: [{ index: 0, function: { arguments: '{"part":' } }] } }, { delta: { tool_calls: [{ index: 0, function: { arguments: '"bearing"}' } }] } }, { delta: {}, finish_reason: 'tool_calls' },
  ];
  let asked;
  await reader.page.route('**/v1/chat/completions', route => {
    asked = route.request().postDataJSON();
    return route.fulfill({ contentType: 'text/event-stream', body: events.map(choice => `data: ${JSON.stringify({ choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`).join('') + 'data: [DONE]\n\n' });
  });
  await reader.ask('Order what it needs.');
  await reader.page.unroute('**/v1/chat/completions');
  assert.deepEqual(asked.messages.map(message => message.role), ['user', 'assistant', 'tool', 'tool', 'assistant', 'user']);
  assert.deepEqual(asked.messages[1].tool_calls[0], { id: 'c1', type: 'function', function: { name: 'remaining_cycles', arguments: calling[1].tool_calls[0].arguments } });
  assert.deepEqual([asked.messages[2].tool_call_id, asked.messages[2].content], ['c1', calling[2].content]);
  const answer = reader.answer();
  assert.equal(await answer.locator('details.call summary').innerText(), 'Call of order_part');
  assert.match(await answer.locator('details.call pre').innerText(), /"part": "bearing"/);
  assert.match(await answer.innerText(), /waits for the result/);
  assert.equal(await reader.page.locator('[aria-live]').innerText(), 'Call of order_part');

  // Kept, found by what was called, and said in the reader's language.
  await reader.page.keyboard.press('Control+k');
  await reader.page.keyboard.type('order_part');
  await reader.page.waitForFunction(() => document.querySelectorAll('#list nav li').length === 1);
  await reader.page.keyboard.press('Control+a');
  await reader.page.keyboard.press('Delete');
  const second = await reader.another({ context: { locale: 'zh-CN', colorScheme: 'dark', viewport: { width: 390, height: 780 } } });
  await second.page.getByRole('button', { name: '显示对话列表' }).click();
  await second.importFile('t.json', callingFile('两台设备'));
  await second.page.getByRole('button', { name: '两台设备', exact: true }).click();
  await second.page.getByText('调用 remaining_cycles').first().waitFor();
  assert.equal(await second.page.getByText('remaining_cycles 的结果').count(), 2);
  assert.ok(await second.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await second.accessible('calls of tools, dark, Chinese, a phone');
  await second.page.locator('.thread').evaluate(thread => { thread.scrollTop = 0; });
  await second.shot('tools-dark-zh-phone');
  await second.context.close();
}

export async function compares_models(reader) {
  await reader.pickSecond('chat');
  await reader.limit(12);
  await reader.ask('It was in July, and the');
  const halves = reader.page.locator('.half');
  assert.deepEqual(await halves.locator('.who').allInnerTexts(), ['hadal-mini', 'chat']);
  await reader.accessible('two answers');
  await reader.shot('pair-light-en');
  await reader.button('Continue with this', halves.nth(1)).click();
  await reader.page.locator('.half.chosen .who', { hasText: 'chat' }).waitFor();
  const asked = reader.page.waitForRequest('**/v1/chat/completions');
  const chosen = await halves.nth(1).locator('.prose').innerText();
  await reader.ask('Go on');
  assert.equal((await asked).postDataJSON().messages[1].content.trim().replace(/\s+/g, ' '), chosen.trim().replace(/\s+/g, ' '));
  assert.equal(await halves.count(), 4);
}

export async function benches_schemas(reader) {
  await reader.button('Structured').click();
  await reader.button('Write the answer').click();
  await reader.page.getByText('It is JSON.').waitFor();
  const text = await reader.page.locator('.result').innerText();
  const answer = JSON.parse(text);
  assert.deepEqual(Object.keys(answer), ['name', 'age', 'mood', 'words']);
  const forced = (await reader.page.locator('.result mark').allInnerTexts()).join('');
  assert.match(forced, /name"/);
  assert.ok(!forced.includes(answer.mood[1]) || forced.length < text.length);
  assert.match(await reader.page.locator('.side .figures').innerText(), /^\d+ of \d+ pieces were forced/);
  await reader.accessible('the bench');
  await reader.shot('bench-light-en');
  await reader.page.getByLabel('JSON schema').fill('{"type":');
  await reader.button('Write the answer').click();
  await reader.page.locator('.notice', { hasText: 'schema:' }).waitFor();
  await reader.page.getByLabel('JSON schema').fill('{"type":"teapot"}');
  await reader.button('Write the answer').click();
  await reader.page.locator('.notice', { hasText: 'teapot' }).waitFor();
  await reader.button('Chat').click();
}

export async function tells_errors(reader) {
  await reader.ask('word '.repeat(1500));
  const alert = reader.answer().getByRole('alert');
  assert.match(await alert.innerText(), /^the prompt has \d+ tokens.*fit the context of 1024/);

  // A server that is not there, and one that dies in the midst of an answer.
  await reader.begin();
  await reader.page.route('**/v1/chat/completions', route => route.abort());
  await reader.ask('Hello');
  assert.match(await reader.answer().getByRole('alert').innerText(), /cannot be reached/);
  await reader.page.unroute('**/v1/chat/completions');
  await reader.page.route('**/v1/chat/completions', route => route.fulfill({ contentType: 'text/event-stream', body: 'data: {"choices":[{"index":0,"delta":{"content":"Half of"},"finish_reason":null}]}\n\n' }));
  await reader.ask('Hello again');
  assert.match(await reader.answer().getByRole('alert').innerText(), /was cut/);
  assert.match(await reader.answer().innerText(), /Half of/);
  await reader.page.unroute('**/v1/chat/completions');
}

export async function takes_a_key(reader) {
  const locked = await reader.another({}, reader.options.lockedUrl);
  const page = locked.page;
  await page.getByText('an API key is needed').waitFor();
  await locked.accessible("a fault");
  await locked.button('Enter a key').click();
  await page.getByLabel('API key').fill('wrong');
  await page.getByLabel('API key').blur();
  await locked.accessible('the settings');
  await locked.button('Close', page.getByRole('dialog')).click();
  await page.getByText('this API key is not known').waitFor();
  await locked.button('Enter a key').click();
  await page.getByLabel('API key').fill('let-me-in');
  await page.getByLabel('API key').blur();
  await locked.button('Close', page.getByRole('dialog')).click();
  await page.locator('.empty h2').waitFor();
  await locked.limit(5);
  await locked.ask('Hello');
  assert.match(await locked.answer().innerText(), /5 tokens/);

  // It stays in this browser: no file has it.
  const waiting = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export all' }).click();
  assert.ok(!readFileSync(await (await waiting).path(), 'utf8').includes('let-me-in'));
  await locked.context.close();
}

export async function works_by_keyboard(reader) {
  const page = reader.page;
  await page.keyboard.press('Control+/');
  await page.getByRole('dialog').waitFor();
  await reader.accessible('the list of keys');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('Control+b');
  await page.waitForFunction(() => document.querySelector('#list').inert);
  await page.keyboard.press('Control+b');
  await page.keyboard.press('Control+k');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'search');
  await page.keyboard.press('Control+Shift+O');
  await page.waitForFunction(() => document.activeElement.id === 'compose');
  await page.keyboard.type('One');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('Two');
  assert.equal(await page.inputValue('#compose'), 'One\nTwo');

  // Enter that ends the composing of a word does not send.
  await page.evaluate(() => document.querySelector('#compose').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(await page.inputValue('#compose'), 'One\nTwo');
  await page.fill('#compose', '');

  // The first stop of the page leads past the list.
  assert.equal(await page.evaluate(() => document.querySelector('a[href], button, input, textarea').className), 'skip');
  await page.focus('.skip');
  const order = [];
  while (!order.includes('compose')) {
    order.push(await page.evaluate(() => document.activeElement.className || document.activeElement.id));
    assert.ok(order.length < 60, order.join(', '));
    await page.keyboard.press('Tab');
  }

  const at = name => order.findIndex(each => each.split(' ').includes(name));
  assert.ok(at('skip') === 0 && at('begin') > 0 && at('search') > at('begin') && at('language') > at('search'), order.join(', '));
  await page.focus('.skip');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'compose');
}

export async function is_dark_and_chinese(reader) {
  const second = await reader.another({ context: { locale: 'zh-CN', colorScheme: 'dark' } });
  const page = second.page;
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.locator('.empty h2', { hasText: '写一个开头' }).waitFor();
  await second.accessible('nothing said, dark, Chinese');
  await second.shot('empty-dark-zh');
  await second.importFile('a.json', fileWith(rich, { title: '水泵曲线', question: '水泵的扬程如何随流量下降？', answer: { reasoning: '……' } }));
  await page.getByRole('button', { name: '水泵曲线', exact: true }).click();
  await second.answer().locator('math').first().waitFor();
  await page.locator('details.reasoning summary').click();
  await second.accessible('a rich answer, dark, Chinese');
  await second.shot('chat-dark-zh');
  await second.button('结构化').click();
  await second.button('生成回答').click();
  await page.getByText('这是合法的 JSON。').waitFor();
  await second.accessible('the bench, dark, Chinese');
  await second.shot('bench-dark-zh');
  await page.getByRole('button', { name: 'English', exact: true }).click();
  await page.getByText('Structured output').waitFor();
  await page.reload();
  await page.waitForSelector('#compose');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  await page.keyboard.press('Control+b');
  await page.keyboard.press('Control+b');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Colours').selectOption('Light');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  await second.context.close();
}

export async function fits_a_phone(reader) {
  const phone = await reader.another({ context: { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } });
  const page = phone.page;
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  await page.locator('.empty h2').waitFor();
  assert.ok(await fits(), 'nothing said');
  await phone.accessible('a phone');
  await phone.shot('empty-light-phone');
  await page.getByRole('button', { name: 'Show conversations' }).click();
  await phone.importFile('a.json', fileWith(rich, { title: 'Pump curves', question: 'How does the head of a pump fall with the flow?' }));
  await phone.accessible('a phone with its list');
  await phone.shot('list-light-phone');
  await page.getByRole('button', { name: 'Pump curves', exact: true }).click();
  await phone.answer().locator('math').first().waitFor();
  await page.waitForFunction(() => document.querySelector('#list').inert);
  assert.ok(await fits(), 'a rich answer');
  await page.locator('.thread').evaluate(thread => { thread.scrollTop = 0; });
  await phone.shot('chat-light-phone');
  await phone.button('Structured').click();
  assert.ok(await fits(), 'the bench');
  await phone.context.close();
}

export async function offers_what_a_model_can_do(reader) {
  assert.equal(await reader.page.locator('.box input[type=file]').count(), 0);

  // No model has senses yet, so the server is made to say that one has.
  const second = await reader.another({ context: { serviceWorkers: 'block' }, sees: true });
  const page = second.page;
  await page.locator('.box input[type=file]').setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64') });
  await page.getByText('dot.png').waitFor();
  await second.accessible('an attachment');
  const asked = page.waitForRequest('**/v1/chat/completions');
  await second.ask('What is this?');
  const [picture, text] = (await asked).postDataJSON().messages[0].content;
  assert.match(picture.image_url.url, /^data:image\/png;base64,iVBOR/);
  assert.deepEqual(text, { type: 'text', text: 'What is this?' });
  assert.equal(await page.locator('.message img.attached').getAttribute('alt'), 'dot.png');

  // Adapters are chosen as models are.
  assert.equal(await page.locator('.picker option[value=tuned]').first().innerText(), 'tuned, an adapter of hadal-mini');
  await second.pick('tuned');
  const again = page.waitForRequest('**/v1/chat/completions');
  await second.ask('And this?');
  assert.equal((await again).postDataJSON().model, 'tuned');
  await second.context.close();
}

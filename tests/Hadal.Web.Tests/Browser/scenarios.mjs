// Each scenario is one test; its name stands in PageTests.cs.
import assert from 'node:assert/strict';

export async function streams(reader) {
  await reader.pick('slow');
  await reader.limit(60);
  await reader.say('It was in July, and the');
  const answer = reader.answer();
  await answer.locator('.prose p').first().waitFor();
  const early = (await answer.locator('.prose').innerText()).length;
  assert.equal(await answer.getAttribute('aria-busy'), 'true');
  await reader.idle();
  const whole = (await answer.locator('.prose').innerText()).length;
  assert.ok(early > 0 && whole > early, `${early} characters of ${whole}`);
  assert.match(await answer.locator('.figures').first().innerText(), /^60 tokens · \d[\d.]* tokens\/s · first after \d+ ms$/);
  assert.match(await answer.innerText(), /reached its limit/);
  assert.match(await reader.page.locator('[aria-live]').innerText(), /\w/);
}

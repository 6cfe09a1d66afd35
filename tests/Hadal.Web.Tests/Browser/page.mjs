// The page in headless Chromium: node page.mjs URL LOCKED_URL FOLDER. Prints one line of JSON for each scenario.
import { chromium } from 'playwright-core';
import { mkdirSync } from 'node:fs';
import * as scenarios from './scenarios.mjs';
import { Reader } from './reader.mjs';

const [url, lockedUrl, folder] = process.argv.slice(2);
const wanted = process.argv.slice(5);
// What a scenario waited for when it failed is nobody's any more.
process.on('unhandledRejection', () => {});
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--force-color-profile=srgb'] });
const open = () => Reader.open(browser, url, { folder, lockedUrl });
let reader = await open();
for (const [name, scenario] of Object.entries(scenarios)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const began = performance.now();
  let error = null;
  try {
    await reader.begin();
    await scenario(reader);
    if (reader.faults.length > 0) throw new Error(reader.faults.join('\n'));
  } catch (fault) {
    error = String(fault.stack ?? fault);
    await reader.page.screenshot({ path: `${folder}/fault-${name}.png` }).catch(() => {});

    // What went wrong here is not to go on.
    await reader.context.close();
    reader = await open();
  }

  console.log(JSON.stringify({ name, error, ms: Math.round(performance.now() - began) }));
}

await browser.close();

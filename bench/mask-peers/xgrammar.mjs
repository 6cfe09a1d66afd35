// XGrammar's side of mask-peers.cs: runs cases by the rules of MaskBench (maskbench/xgr_engine.py) and appends one line of JSON for each.
//   node xgrammar.mjs strict|compliant VOCABULARY CASES FIRST OUT
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// The package calls itself an ES module, but its file is written for CommonJS.
const require = createRequire(join(process.env.PEER_PACKAGES, "package.json"));
const file = require.resolve("@mlc-ai/web-xgrammar");
const xgrammar = {};
new Function("exports", "module", "require", "__filename", "__dirname", readFileSync(file, "utf8"))(xgrammar, { exports: xgrammar }, require, file, dirname(file));

// Bytes that print stand for themselves, the others are counted up from 256.
const characterOf = [];
for (let value = 0, next = 256; value < 256; value++)
  characterOf.push((value > 32 && value < 127) || (value > 160 && value !== 173) ? value : next++);

const [mode, vocabularyFile, casesFile, first, outFile] = process.argv.slice(2);
const strict = mode === "strict";
const vocabulary = JSON.parse(readFileSync(vocabularyFile, "utf8"));
const info = await xgrammar.TokenizerInfo.createTokenizerInfo(vocabulary.tokens.map(byteLevel), "byte_level", false, vocabulary.tokens.length, vocabulary.ends);
const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);

// The first compilation also makes the engine's own tables.
await compiler.compileJSONSchema('{"type":"object","properties":{"warm":{"type":"string"}}}', !strict, -1, undefined, strict);
const cases = readFileSync(casesFile, "utf8").split("\n").filter(line => line.length > 0);
for (let index = Number(first); index < cases.length; index++) {
  appendFileSync(outFile, JSON.stringify({ index, ...await run(JSON.parse(cases[index])) }) + "\n");
}

async function run({ schema, tests }) {
  let grammar;
  const start = process.hrtime.bigint();
  try {
    grammar = await compiler.compileJSONSchema(schema, !strict, -1, undefined, strict);
  } catch (fault) {
    return { result: "compile error", first_us: 0, mask_us: [] };
  }
  const firstUs = Number(process.hrtime.bigint() - start) / 1000;
  const times = [];
  let result = "passing";
  for (const test of tests) {
    let accepted = true;
    try {
      const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar);
      for (const token of test.tokens) {
        const before = process.hrtime.bigint();
        await matcher.getNextTokenBitmask();
        accepted = matcher.acceptToken(token);
        times.push(Number(process.hrtime.bigint() - before) / 1000);
        if (!accepted) break;
      }
      matcher.dispose();
      if (accepted && !test.valid) result = "invalidation error";
      else if (!accepted && test.valid) result = "validation error";
    } catch (fault) {
      result = "validation error";
    }
  }
  grammar.dispose();
  return { result, first_us: firstUs, mask_us: times };
}

// Bytes as GPT-2's vocabulary files write them: one character each.
function byteLevel(base64) {
  return [...Buffer.from(base64, "base64")].map(value => String.fromCodePoint(characterOf[value])).join("");
}

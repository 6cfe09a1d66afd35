// The Vercel AI SDK with its provider for OpenAI-compatible servers: node ai-sdk.mjs URL. Prints "ok", or fails.
import assert from "node:assert/strict";
import { APICallError, embed, embedMany, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

globalThis.AI_SDK_LOG_WARNINGS = false;
const hadal = createOpenAICompatible({ name: "hadal", baseURL: process.argv[2] + "/v1", includeUsage: true, supportsStructuredOutputs: true });
const plain = { model: hadal("hadal-mini"), prompt: "It was in July, and the", maxOutputTokens: 24, temperature: 0, maxRetries: 0 };

const whole = await generateText(plain);
assert.equal(whole.finishReason, "length");
assert.equal(whole.usage.outputTokens, 24);
assert.ok(whole.text.length > 0);

const streamed = streamText(plain);
let text = "";
for await (const delta of streamed.textStream) text += delta;
assert.equal(text, whole.text);
assert.deepEqual((await streamed.usage).outputTokens, whole.usage.outputTokens);
assert.equal(await streamed.finishReason, "length");

const stopped = await generateText({ ...plain, stopSequences: [whole.text.slice(5, 9)], seed: 3, topP: 0.9 });
assert.equal(stopped.finishReason, "stop");
assert.equal(stopped.text, whole.text.slice(0, 5));

// Tools: the model must call, the function runs here, its result goes back, and the model goes on.
const schema = jsonSchema({ type: "object", properties: { unit: { type: "integer", minimum: 1, maximum: 9 } }, required: ["unit"], additionalProperties: false });
for (const run of [generateText, streamText]) {
  const units = [];
  const result = run({
    model: hadal("chat"),
    prompt: "How long will unit 7 last?",
    tools: { get_rul: tool({ description: "Remaining useful life", inputSchema: schema, execute: async ({ unit }) => { units.push(unit); return { cycles: 112 }; } }) },
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
    stopWhen: isStepCount(2),
    maxOutputTokens: 40,
    maxRetries: 0,
  });
  const steps = await (await result).steps;
  assert.equal(steps.length, 2);
  assert.equal(steps[0].finishReason, "tool-calls");
  assert.equal(steps[0].toolCalls[0].toolName, "get_rul");
  assert.deepEqual(units, steps[0].toolCalls.map((call) => call.input.unit));
  assert.deepEqual(steps[0].toolResults[0].output, { cycles: 112 });
  assert.ok(steps[1].usage.inputTokens > steps[0].usage.inputTokens);
}

const filled = await generateText({ ...plain, prompt: "Which unit?", output: Output.object({ schema }) });
assert.ok(Number.isInteger(filled.output.unit) && filled.output.unit >= 1 && filled.output.unit <= 9);
const partial = streamText({ ...plain, prompt: "Which unit?", output: Output.object({ schema }) });
let last = null;
for await (const part of partial.partialOutputStream) last = part;
assert.ok(last.unit >= 1 && last.unit <= 9);

const reasoned = await generateText({ model: hadal("reasoner"), prompt: "Whales", maxOutputTokens: 8, maxRetries: 0 });
assert.ok(reasoned.reasoningText.length > 0);
const thinking = streamText({ model: hadal("reasoner"), prompt: "Whales", maxOutputTokens: 8, temperature: 0, maxRetries: 0 });
let thought = "";
for await (const part of thinking.stream ?? thinking.fullStream) if (part.type === "reasoning-delta") thought += part.text;
assert.ok(thought.length > 0);

const completed = await generateText({ model: hadal.completionModel("hadal-mini"), prompt: "The sea", maxOutputTokens: 5, maxRetries: 0 });
assert.equal(completed.usage.outputTokens, 5);

const vectors = await embedMany({ model: hadal.embeddingModel("hadal-mini"), values: ["one", "two"] });
assert.equal(vectors.embeddings.length, 2);
assert.ok(Math.abs(vectors.embeddings[0].reduce((sum, value) => sum + value * value, 0) - 1) < 1e-4);
assert.deepEqual((await embed({ model: hadal.embeddingModel("hadal-mini"), value: "one" })).embedding, vectors.embeddings[0]);

await assert.rejects(() => generateText({ ...plain, model: hadal("gpt") }), (error) => APICallError.isInstance(error) && error.statusCode === 404 && error.message.includes("gpt") && !error.isRetryable);
await assert.rejects(() => generateText({ ...plain, temperature: 3 }), (error) => APICallError.isInstance(error) && error.statusCode === 400 && error.message.includes("temperature"));

const stop = new AbortController();
const left = streamText({ ...plain, maxOutputTokens: 900, abortSignal: stop.signal });
for await (const delta of left.textStream) if (delta) stop.abort();
console.log("ok");

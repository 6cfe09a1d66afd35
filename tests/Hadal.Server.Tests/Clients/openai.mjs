// The official OpenAI client for JavaScript against a server: node openai.mjs URL. Prints "ok", or fails.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "It was in July, and the" }];

const whole = await client.chat.completions.create({ model: "hadal-mini", messages, max_tokens: 24, temperature: 0 });
assert.equal(whole.choices[0].finish_reason, "length");
assert.equal(whole.usage.completion_tokens, 24);

const stream = await client.chat.completions.create({ model: "hadal-mini", messages, max_tokens: 24, temperature: 0, stream: true, stream_options: { include_usage: true } });
let text = "", usage = null;
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
for (const count of ["prompt_tokens", "completion_tokens", "total_tokens"]) assert.equal(usage[count], whole.usage[count]);

// What of the prompt was found and what was not differ between the two.
assert.equal(usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens, usage.prompt_tokens);

const schema = { type: "object", properties: { unit: { type: "integer", minimum: 1, maximum: 9 } }, required: ["unit"], additionalProperties: false };
const tools = [{ type: "function", function: { name: "get_rul", parameters: schema } }];
const runner = client.chat.completions.stream({ model: "chat", messages, tools, tool_choice: "required" });
const called = (await runner.finalChatCompletion()).choices[0];
assert.equal(called.finish_reason, "tool_calls");
assert.ok(JSON.parse(called.message.tool_calls[0].function.arguments).unit >= 1);
const back = [...messages, called.message, { role: "tool", tool_call_id: called.message.tool_calls[0].id, content: "112" }];
const after = await client.chat.completions.create({ model: "chat", messages: back, tools, tool_choice: "none", max_tokens: 3 });
assert.equal(after.usage.completion_tokens, 3);

const format = { type: "json_schema", json_schema: { name: "report", schema, strict: true } };
const parsed = await client.chat.completions.parse({ model: "hadal-mini", messages, response_format: format });
assert.ok(JSON.parse(parsed.choices[0].message.content).unit <= 9);

const reasoned = await client.chat.completions.create({ model: "reasoner", messages, max_tokens: 8 });
assert.ok(reasoned.choices[0].message.reasoning_content.length > 0);

const continued = await client.completions.create({ model: "hadal-mini", prompt: "The sea", max_tokens: 5, stream: true });
let count = 0;
for await (const chunk of continued) count += chunk.choices.length;
assert.ok(count > 0);

const response = await client.responses.create({ model: "chat", input: "Whales", max_output_tokens: 16 });
assert.ok(response.output_text.length > 0);
assert.equal(response.status, "incomplete");
const streamed = client.responses.stream({ model: "chat", input: "Whales", max_output_tokens: 16, tools: [{ type: "function", name: "get_rul", parameters: schema }], tool_choice: "required" });
assert.ok(JSON.parse((await streamed.finalResponse()).output[0].arguments).unit <= 9);

const vectors = await client.embeddings.create({ model: "hadal-mini", input: ["one", "two"] });
assert.equal(vectors.data.length, 2);
assert.ok(Math.abs(vectors.data[0].embedding.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-4);

assert.ok((await client.models.list()).data.some((model) => model.id === "hadal-mini"));
await assert.rejects(() => client.chat.completions.create({ model: "gpt", messages }), (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
await assert.rejects(() => client.chat.completions.create({ model: "hadal-mini", messages, temperature: 3 }), (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature");

const left = await client.chat.completions.create({ model: "hadal-mini", messages, max_tokens: 900, stream: true });
for await (const chunk of left) if (chunk.choices[0].delta.content) break;
console.log("ok");

// Judges texts by ajv with the formats that JSON Schema defines (ajv-formats), draft 2019-09 or 2020-12 where a schema names it, draft 7 where it names that, 2020-12 where it names none.
//   node validate.mjs PACKAGES < lines of {"schema": TEXT, "outputs": [TEXT, ...]}
// Writes a line of {"compiled": true|false, "reason": TEXT, "invalid": [{"text", "reason"}, ...]} for each.
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(process.argv[2], "package.json"));
const formats = require("ajv-formats");
const defined = [
  "date", "time", "date-time", "duration", "uri", "uri-reference", "uri-template", "email", "hostname", "ipv4", "ipv6", "regex", "uuid", "json-pointer",
  "relative-json-pointer",
];
const options = { strict: false, logger: false, validateFormats: true, multipleOfPrecision: 9 };

for await (const line of createInterface({ input: process.stdin })) {
  if (line.length > 0) console.log(JSON.stringify(judge(JSON.parse(line))));
}

function judge({ schema, outputs }) {
  let validate;
  try {
    const parsed = JSON.parse(schema);
    const ajv = new (engineOf(parsed))(options);
    formats(ajv, defined);
    validate = ajv.compile(parsed);
  } catch (fault) {
    return { compiled: false, reason: String(fault.message), invalid: [] };
  }
  const invalid = [];
  for (const text of outputs) {
    let reason = null;
    try {
      if (!validate(JSON.parse(text))) reason = JSON.stringify(validate.errors[0]);
    } catch (fault) {
      reason = String(fault.message);
    }
    if (reason !== null) invalid.push({ text, reason });
  }
  return { compiled: true, reason: "", invalid };
}

function engineOf(schema) {
  const draft = typeof schema === "object" && typeof schema.$schema === "string" ? schema.$schema : "";
  if (draft.includes("draft-07")) return require("ajv").default;
  if (draft.includes("draft-0")) throw new Error(`${draft} is not judged`);
  return draft.includes("2019-09") ? require("ajv/dist/2019").default : require("ajv/dist/2020").default;
}

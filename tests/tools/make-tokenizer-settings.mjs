// Writes the cases of tokenizer.json settings. See README.md.
import { createRequire } from 'module';

const { Tokenizer } = createRequire(process.cwd() + '/')('tokenizers');
const textsPerSetting = 24;

// Texts are random rows of these; no character is newer than Unicode 9, whose tables the library has in places.
const pieces = [
  'the', ' the', 'Hello', ' WORLD', "it's", "IT'S", "'ll", "'S", "'\u017F", ' don\'t', 'foo_bar', ' camelCase', 'x', ' y', 'café', 'cafe\u0301', 'e\u0301\u0323', '\u212B', '\uFB01', '\u0149', 'ß', 'İstanbul',
  '\u017Fs', 'Σίσυφος', 'привет', '你好', '世界。', 'こんにちは', 'ｶﾀｶﾅ', 'か\u3099', '한국어', '\u1112\u1161\u11AB', 'مرحبا', 'नमस्ते', 'ไทย', '\u{10400}\u{10428}', '\u{1D49C}', '\u{20BB7}', '0', '42', ' 1234567', '3.14', '²', '½', 'Ⅳ', '①', '٣٤',
  '१२', ' ', '  ', '   ', '\n', '\n\n', '\r\n', '\t', ' \n', '\u00A0', '\u2003', '\u3000', '\u2028', '\u0085', '\u200B', '\uFEFF', '.', '...', ', ', '!?', '--', '->', '()', ' {', '"', '#', '$', '+', '|', '`', '~', '…', '——', '“', '€', '😀',
  '👍🏽', '👩‍👩‍👧', '❤️', '🇩🇪', '\0', '\x1B', '\x7F', '\u200D', '\u202E', '\uFFFD', '\u{10FFFF}', '\uE000', '<', '</s', '<s>', '</s>', '[L]', '[R]', '[B]', 'word', 'words', 'xylo', 'xylophone', '<|eot_id|>', '<|eot_id', ' [N] ', '[n]',
];

let seed = 1;
const below = count => {
  seed = (seed * 48271) % 2147483647;
  return seed % count;
};
const texts = () => Array.from({ length: textsPerSetting }, (_, i) => Array.from({ length: i === 0 ? 0 : 1 + below(9) }, () => pieces[below(pieces.length)]).join(''));

// Bytes, and pairs of bytes that merge: all of printable ASCII, one in 16 of the others. The order comes from multiplication modulo 65536; the
// test does the same.
const alphabet = Array.from({ length: 256 }, (_, byte) => byte);
let next = 256;
for (const byte of alphabet.keys()) alphabet[byte] = String.fromCharCode((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174 ? byte : next++);
const isPrintable = byte => byte >= 32 && byte < 127;
const merges = Array.from({ length: 65536 }, (_, rank) => (rank * 40503 + 12345) % 65536)
  .filter((pair, rank) => rank % 16 === 0 || (isPrintable(pair >> 8) && isPrintable(pair & 255))).map(pair => [alphabet[pair >> 8], alphabet[pair & 255]]);
const vocab = Object.fromEntries([...alphabet, ...merges.map(pair => pair.join(''))].map((token, id) => [token, id]));
const firstAdded = 256 + merges.length;

const byteLevel = (use_regex = false, add_prefix_space = false) => ({ type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex });
const split = (pattern, behavior = 'Isolated', invert = false) => ({ type: 'Split', pattern, behavior, invert });
const sequence = (...pretokenizers) => ({ type: 'Sequence', pretokenizers });
const regex = Regex => ({ Regex });
const llama3 = split(regex("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"));
const o200k = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const added = [
  { content: '<s>', special: true }, { content: '</s>', special: true, lstrip: true, rstrip: true }, { content: '<|eot_id|>', special: true }, { content: '[L]', lstrip: true }, { content: '[R]', rstrip: true },
  { content: '[B]', lstrip: true, rstrip: true }, { content: 'word', single_word: true }, { content: 'xylo' }, { content: 'xylophone', single_word: true }, { content: '[n]', normalized: true },
].map((token, i) => ({ id: firstAdded + i, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false, ...token }));
const template = { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }], pair: [],
  special_tokens: { '<s>': { id: '<s>', ids: [firstAdded], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [firstAdded + 1], tokens: ['</s>'] } } };

const settings = {
  'ByteLevel': { pre_tokenizer: byteLevel(true) },
  'ByteLevel without expression': { pre_tokenizer: byteLevel() },
  'ByteLevel with prefix space': { pre_tokenizer: byteLevel(true, true), added_tokens: added },
  'Llama 3': { pre_tokenizer: sequence(llama3, byteLevel()) },
  'o200k': { pre_tokenizer: sequence(split(regex(o200k)), byteLevel()) },
  'o200k by removing what is left over': { pre_tokenizer: sequence(split(regex(o200k), 'Removed', true), byteLevel()) },
  'stages after bytes': { pre_tokenizer: sequence(split(regex('\\p{N}')), byteLevel(true), split(regex('[^\\x00-\\x7f]{2}'))) },
  'possessive': { pre_tokenizer: sequence(split(regex('[^a-z\\s]++|\\d{2,3}(?!\\d)|\\S+$|.\\n')), byteLevel()) },
  'ignore_merges': { pre_tokenizer: sequence(llama3, byteLevel()), model: { ignore_merges: true }, added_tokens: added },
  'merges as text': { pre_tokenizer: byteLevel(true), model: { merges: merges.map(pair => pair.join(' ')) } },
  'added tokens': { pre_tokenizer: sequence(llama3, byteLevel()), added_tokens: added },
  'added tokens, NFKC': { pre_tokenizer: sequence(llama3, byteLevel()), added_tokens: added, normalizer: { type: 'NFKC' } },
  'added tokens, lower case': { pre_tokenizer: sequence(llama3, byteLevel()), added_tokens: added, normalizer: { type: 'Lowercase' } },
  'template': { pre_tokenizer: byteLevel(true), added_tokens: added, post_processor: template },
  'Roberta': { pre_tokenizer: byteLevel(true), added_tokens: added, post_processor: { type: 'RobertaProcessing', sep: ['</s>', firstAdded + 1], cls: ['<s>', firstAdded], trim_offsets: true, add_prefix_space: false } },
  'Bert': { pre_tokenizer: byteLevel(true), added_tokens: added, post_processor: { type: 'BertProcessing', sep: ['</s>', firstAdded + 1], cls: ['<s>', firstAdded] } },
  'replacements': { pre_tokenizer: sequence(llama3, byteLevel()), normalizer: { type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'Lowercase' }, { type: 'StripAccents' }, { type: 'Strip', strip_left: true, strip_right: true },
    { type: 'Replace', pattern: { String: '  ' }, content: ' ' }, { type: 'Replace', pattern: regex('\\p{N}+'), content: '0' }, { type: 'Prepend', prepend: '_' }] } },
};
for (const type of ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents']) settings[type] = { pre_tokenizer: sequence(llama3, byteLevel()), normalizer: { type } };
for (const individual_digits of [false, true]) settings[`Digits ${individual_digits}`] = { pre_tokenizer: sequence({ type: 'Digits', individual_digits }, byteLevel(true)) };
for (const behavior of ['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']) {
  settings[`Punctuation ${behavior}`] = { pre_tokenizer: sequence({ type: 'Punctuation', behavior }, byteLevel()) };
  settings[`text ${behavior}`] = { pre_tokenizer: sequence(split({ String: ' ' }, behavior), byteLevel()) };
  for (const invert of [false, true]) settings[`expression ${behavior} ${invert}`] = { pre_tokenizer: sequence(split(regex('\\p{L}+|\\p{N}'), behavior, invert), byteLevel()) };
}

const ascii = value => JSON.stringify(value).replace(/[^\x20-\x7e]/g, unit => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'));
const results = [];
for (const [name, setting] of Object.entries(settings)) {
  const file = { version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, post_processor: null, decoder: byteLevel(true), ...setting,
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges, ...setting.model } };
  const tokenizer = Tokenizer.fromString(JSON.stringify(file));
  const cases = [];
  for (const text of texts()) {
    const ids = (await tokenizer.encode(text, null, { addSpecialTokens: true })).getIds();
    const decoded = await tokenizer.decode(ids, false);
    cases.push(ascii(decoded === text ? [text, ids] : [text, ids, decoded]));
  }
  if (setting.model?.merges) setting.model = { mergesAsText: true };
  results.push(`${ascii(name)}: {\n"file": ${ascii(setting)},\n"cases": [\n${cases.join(',\n')}\n]}`);
}

process.stdout.write(`{\n"description": "Settings of tokenizer.json, and what the Rust library of Hugging Face (npm package tokenizers 0.23.2) does with them: text, ids with start and end tokens, and where it is another, the text of the ids with them. Made by tests/tools/make-tokenizer-settings.mjs.",\n"settings": {\n${results.join(',\n')}\n}\n}\n`);

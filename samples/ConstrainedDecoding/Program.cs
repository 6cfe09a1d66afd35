// Answers that are bound to a grammar: a JSON Schema, a C# type, terms with ids; then the matcher by itself. docs/constrained-decoding.md explains it.
//
//   dotnet run --project samples/ConstrainedDecoding -c Release -- [MODEL]
//
// MODEL is a checkpoint directory or a .gguf file; hadal-mini is the default.
using System.Text.Json;
using System.Text.Json.Serialization;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Grammars.Lexicons;

using var checkpoint = Checkpoint.Open(args.Length > 0 ? args[0] : "models/hadal-mini");
await using var generator = TextGenerator.Open(checkpoint);
var prompt = generator.Tokenizer.Encode("The pump in hall 3 leaks.\n", addSpecial: true).ToArray();

// A schema: what it forbids is never written. Best effort leaves out what cannot be enforced, and says so.
var schema = JsonSchemaGrammar.Compile(
    """{"type":"object","properties":{"urgent":{"type":"boolean"},"site":{"type":"string","maxLength":20,"format":"idn-hostname"}},"required":["urgent"],"additionalProperties":false}""",
    new JsonGrammarOptions { PropertyOrder = JsonPropertyOrder.Declared, Whitespace = JsonWhitespace.Compact, IntegersAsDigits = true, BestEffort = true });
foreach (var sentence in schema.Ignored) Console.WriteLine($"not enforced: {sentence}");
Console.WriteLine($"schema: {await WriteAsync(schema.Grammar)}");

// A C# type: every text is read by the serializer with the same options.
var report = JsonSerializer.Deserialize(await WriteAsync(Grammar.FromType(ReportJson.Default.Report)), ReportJson.Default.Report)!;
Console.WriteLine($"type: seen on {report.SeenOn:yyyy-MM-dd}, grade {report.Grade}");

// Terms: the answer is one of them, or its plural or capital variant, and leads to its ids.
var lexicon = Lexicon.Build([("leak", "F:1"), ("worn seal", "F:2"), ("cavitation", "F:3")]);
var term = await WriteAsync(lexicon.ToGrammar());
Console.WriteLine($"term: {term} {string.Join(' ', lexicon.IdsOf(term))}");

// Terms inside of JSON: the builder puts expressions together.
var builder = new GrammarBuilder();
var quoted = builder.Regexes.Concat(builder.Regexes.Literal("{\"finding\":\""), lexicon.ToRegex(builder.Regexes, inJsonString: true), builder.Regexes.Literal("\"}"));
Console.WriteLine($"term in JSON: {await WriteAsync(builder.Build(builder.Lexeme(quoted)))}");

// The matcher by itself, for a decoding loop of your own: a mask before each token, the token behind it.
var matcher = new GrammarMatcher(schema.Grammar, TokenTrie.Of(generator.Tokenizer, generator.EndTokenIds));
var mask = new ulong[TokenMask.LengthFor(matcher.Vocabulary.VocabSize)];
foreach (var forced in matcher.ForcedTokens()) matcher.Accept(forced);
Console.WriteLine($"forced: {generator.Tokenizer.Decode(matcher.Tokens)}");
matcher.ComputeMask(mask);
Console.WriteLine($"tokens that may follow: {TokenMask.Count(mask)} of {matcher.Vocabulary.VocabSize}");

// A fork shares what was computed and goes its own way; rollback takes tokens back.
var fork = matcher.Fork();
var rest = "{\"urgent\":true}"[generator.Tokenizer.Decode(matcher.Tokens).Length..];
foreach (var id in generator.Tokenizer.Encode(rest, addSpecial: false)) fork.Accept(id);
Console.WriteLine($"fork: {generator.Tokenizer.Decode(fork.Tokens)}, complete {fork.IsComplete}; the other: {matcher.Tokens.Count} tokens, complete {matcher.IsComplete}");
fork.Rollback(fork.Tokens.Count - matcher.Tokens.Count);
Console.WriteLine($"rolled back: {generator.Tokenizer.Decode(fork.Tokens)}");

async Task<string> WriteAsync(Grammar grammar)
{
    var answer = await generator.CompleteAsync(prompt, new GenerationOptions { Grammar = grammar, MaxTokens = 300, Sampling = new SamplingOptions { Seed = 1 } });
    return answer.FinishReason == FinishReason.Stop ? answer.Text : throw new InvalidOperationException($"the answer was cut: {answer.Text}");
}

/// <summary>What is seen of a fault.</summary>
internal sealed record Report(DateOnly SeenOn, byte Grade, TimeOnly? Since);

[JsonSerializable(typeof(Report))]
internal sealed partial class ReportJson : JsonSerializerContext;

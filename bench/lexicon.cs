// A lexicon of generated terms as a grammar: time and memory to build it, and to compute the masks of random terms.
//   dotnet run -c Release bench/lexicon.cs -- --terms 300000 [--tokenizer MODEL] [--seed 1]
// Terms are one to four words of two to four syllables; case and plural variants are held beside them. MODEL is a GGUF file or a directory; left out, tokens are bytes.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Lexicons;

var count = 300_000;
var seed = 1;
string? model = null;
for (var index = 0; index + 1 < args.Length; index += 2)
{
    switch (args[index])
    {
        case "--terms": count = int.Parse(args[index + 1], CultureInfo.InvariantCulture); break;
        case "--seed": seed = int.Parse(args[index + 1], CultureInfo.InvariantCulture); break;
        case "--tokenizer": model = args[index + 1]; break;
        default: Console.Error.WriteLine($"lexicon.cs: unknown option {args[index]}; expected --terms N --tokenizer MODEL --seed N"); return 2;
    }
}

string[] syllables = ["ka", "ro", "lin", "tis", "car", "cin", "oma", "neu", "der", "mat", "hep", "ati", "pul", "mon", "ary", "sti", "nos", "gen", "al", "ic", "ven", "tri", "cu", "lar", "sep", "sis", "fib", "ril"];
var random = new Random(seed);
var terms = new HashSet<string>();
while (terms.Count < count)
    terms.Add(string.Join(' ', Enumerable.Range(0, random.Next(1, 5)).Select(_ => string.Concat(Enumerable.Range(0, random.Next(2, 5)).Select(_ => syllables[random.Next(syllables.Length)])))));
var list = terms.ToList();

var tokenizer = model is null ? null : File.Exists(model) ? TokenizerLoader.FromGguf(model) : TokenizerLoader.FromDirectory(model);
var vocabulary = tokenizer is null ? new TokenTrie([.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })], []) : TokenTrie.Of(tokenizer);
Lexicon.Build([("warm up", "0")]).ToGrammar();

GC.Collect();
var before = GC.GetTotalMemory(forceFullCollection: true);
var start = Stopwatch.GetTimestamp();
var lexicon = Lexicon.Build(list.Select((term, index) => (term, $"T{index}")));
var grammar = lexicon.ToGrammar();
var built = Stopwatch.GetElapsedTime(start).TotalSeconds;
var peak = Process.GetCurrentProcess().PeakWorkingSet64 >> 20;
var held = GC.GetTotalMemory(forceFullCollection: true) - before;

var mask = new ulong[vocabulary.MaskLength];
start = Stopwatch.GetTimestamp();
new GrammarMatcher(grammar, vocabulary).ComputeMask(mask);
var first = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
var times = new List<double>();
for (var round = 0; round < 1000; round++)
{
    var term = list[random.Next(list.Count)];
    var matcher = new GrammarMatcher(grammar, vocabulary);
    var tokens = tokenizer is null ? [.. Encoding.UTF8.GetBytes(term).Select(value => (int)value)] : tokenizer.Encode(term, addSpecial: false);
    foreach (var token in tokens)
    {
        start = Stopwatch.GetTimestamp();
        matcher.ComputeMask(mask);
        if (!TokenMask.Contains(mask, token)) throw new InvalidOperationException($"the mask leaves out a token of '{term}'");
        matcher.Accept(token);
        times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
    }
    if (!matcher.IsComplete || lexicon.IdsOf(term).Count == 0) throw new InvalidOperationException($"'{term}' is not held");
}

times.Sort();
Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{count} terms, {lexicon.Count} spellings, {lexicon.StateCount} states: built in {built:F2} s, {held >> 20} MiB held, {peak} MiB peak of the process with its terms; first mask {first:F1} ms; {times.Count} masks with acceptance over {vocabulary.VocabSize} tokens: mean {times.Average():F1} µs, median {times[times.Count / 2]:F1}, 99 % {times[times.Count * 99 / 100]:F0}, longest {times[^1]:F0}"));
return 0;

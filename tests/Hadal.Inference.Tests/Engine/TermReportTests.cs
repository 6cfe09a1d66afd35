using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Lexicons;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Reports that may only name what a lexicon holds.</summary>
public sealed class TermReportTests
{
    [Fact]
    public async Task Every_term_of_a_report_is_in_the_lexicon_and_has_its_ids()
    {
        var lexicon = Lexicon.Build([("asthma", "D1"), ("lung cancer", "D2"), ("carcinoma of lung", "D2"), ("HIV infection", "D3"), ("\"café au lait\" spot", "D4"), ("neurosis", "D5"), ("measles", "D6")]);
        var builder = new GrammarBuilder();
        var finding = builder.Sequence(builder.Literal("{\"term\":\""), builder.Lexeme(lexicon.ToRegex(builder.Regexes, inJsonString: true)), builder.Literal("\"}"));
        var grammar = builder.Build(builder.Sequence(builder.Literal("["), finding, builder.Repeat(builder.Sequence(builder.Literal(","), finding), 0, 3), builder.Literal("]")));

        await using var engine = new TinyEngine(TinyEngine.Weights());
        var ids = new HashSet<string>();
        for (ulong seed = 0; seed < 30; seed++)
        {
            var result = await engine.CompleteAsync(TinyEngine.Prompt(5, (int)seed), new GenerationOptions { Grammar = grammar, Sampling = new SamplingOptions { Seed = seed } });
            Assert.Equal(FinishReason.Stop, result.FinishReason);
            foreach (var item in JsonElement.Parse(result.Text).EnumerateArray())
            {
                var found = lexicon.IdsOf(item.GetProperty("term").GetString()!);
                Assert.NotEmpty(found);
                ids.UnionWith(found);
            }
        }
        Assert.Equal(6, ids.Count);
    }
}

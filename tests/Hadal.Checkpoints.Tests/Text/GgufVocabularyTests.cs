using CsCheck;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

public sealed class GgufVocabularyTests
{
    private static readonly string[] ByteTokens = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.CharOf((byte)value).ToString())];

    private static GgufVocabulary SentencePiece { get; } = new()
    {
        Model = "llama",
        Tokens = ["<unk>", "<s>", "</s>", "<0x21>", "▁", "a", "b", "c", "ab", "bc", "▁ab", "▁a", "<sep>"],
        TokenTypes = [2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1, 1, 4],
        Scores = [0, 0, 0, 0, -9, -8, -8, -8, -2, -1, -1.5f, -3, 0],
        BosTokenId = 1,
        EosTokenIds = [2],
        UnknownTokenId = 0,
    };

    private static GgufVocabulary WordPiece { get; } = new()
    {
        Model = "bert",
        Tokens = ["[UNK]", "[CLS]", "[SEP]", "▁play", "ing", "▁p", "l", "a", "y", "▁!", "▁中", "▁cafe"],
        TokenTypes = [3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        BosTokenId = 1,
        SeparatorTokenId = 2,
        UnknownTokenId = 0,
    };

    [Fact]
    public void The_highest_score_merges_first_and_the_rest_becomes_bytes()
    {
        var tokenizer = SentencePiece.Build();
        Assert.Equal([1, 10], tokenizer.Encode("ab"));
        // bc has the best score, so ▁ and a are left for each other.
        Assert.Equal([11, 9], tokenizer.Encode("abc", addSpecial: false));
        Assert.Equal([10, 3, 0, 0], tokenizer.Encode("ab!é", addSpecial: false));
        // A space is put before each stretch between added tokens.
        Assert.Equal([10, 12, 10, 4, 11], tokenizer.Encode("ab<sep>ab  a", addSpecial: false));
        Assert.Equal("ab!", tokenizer.Decode(tokenizer.Encode("ab!")));
        Assert.Empty(tokenizer.Encode("", addSpecial: false));
        Assert.Equal([8, 5], (SentencePiece with { AddsSpacePrefix = false }).Build().Encode("aba", addSpecial: false));
    }

    [Fact]
    public void Equal_scores_merge_from_the_left()
    {
        var tokenizer = (SentencePiece with { AddsSpacePrefix = false, Scores = new float[13] }).Build();
        Assert.Equal([8, 7], tokenizer.Encode("abc", addSpecial: false));
        Assert.Equal([8, 8, 5], tokenizer.Encode("ababa", addSpecial: false));
    }

    [Fact]
    public void Words_are_covered_by_the_longest_tokens_or_unknown()
    {
        var tokenizer = WordPiece.Build();
        Assert.Equal([1, 3, 4, 9, 2], tokenizer.Encode("Playing!"));
        Assert.Equal([11, 10, 10, 3], tokenizer.Encode("CAFÉ中中 play", addSpecial: false));
        Assert.Equal([0, 3], tokenizer.Encode("playx play", addSpecial: false));
        Assert.Equal([0], tokenizer.Encode("play" + new string('y', 100), addSpecial: false));
        Assert.Equal("playing!", tokenizer.Decode(tokenizer.Encode("Playing!")).Replace(" !", "!", StringComparison.Ordinal));
        Assert.Equal([1, 0, 0, 0, 2], tokenizer.Encode("[CLS]"));
    }

    [Theory]
    [InlineData("a", 300_000)]
    [InlineData("ab", 200_000)]
    [InlineData(" ", 300_000)]
    [InlineData("ab ", 100_000)]
    [InlineData("\u0301", 200_000)]
    [InlineData("中", 200_000)]
    [InlineData("!", 200_000)]
    public void Long_runs_are_encoded_whatever_the_model(string unit, int count)
    {
        var text = string.Concat(Enumerable.Repeat(unit, count));
        Assert.InRange(SentencePiece.Build().Encode(text).Count, 1, 3 * text.Length + 2);
        Assert.InRange(WordPiece.Build().Encode(text).Count, 2, text.Length + 2);
    }

    [Fact]
    public void Control_and_unused_tokens_are_told_apart()
    {
        var tokenizer = new GgufVocabulary
        {
            Model = "gpt2",
            Pre = "llama-bpe",
            Tokens = [.. ByteTokens, "<end>", "[PAD257]", "<｜User｜>", "<think>"],
            TokenTypes = [.. Enumerable.Repeat(1, 256), 3, 5, 4, 4],
            BosTokenId = 256,
            EosTokenIds = [256],
        }.Build();
        Assert.Equal([256, 'a'], tokenizer.Encode("a"));
        Assert.Equal([256], tokenizer.Encode("<end>", addSpecial: false, parseSpecial: true));
        Assert.DoesNotContain(257, tokenizer.Encode("[PAD257]", parseSpecial: true));
        Assert.Equal("", tokenizer.Decode([257], skipSpecial: false));
        Assert.Equal("[PAD257]", tokenizer.TokenText(257));
        // A role marker is control whatever the file says; a thinking mark is what the file says.
        Assert.DoesNotContain(258, tokenizer.Encode("<｜User｜>"));
        Assert.Contains(259, tokenizer.Encode("<think>"));
        for (var id = 0; id < tokenizer.VocabSize; id++)
        {
            Assert.True(tokenizer.TryGetTokenId(tokenizer.TokenText(id), out var found));
            Assert.Equal(id, found);
        }
    }

    [Fact]
    public void What_contradicts_itself_is_refused()
    {
        var bytePair = new GgufVocabulary { Model = "gpt2", Tokens = [.. ByteTokens] };
        Assert.Equal(['a'], bytePair.Build().Encode("a"));
        Refused(bytePair with { Model = "rwkv" }, "'rwkv', supported are gpt2, llama and bert");
        Refused(bytePair with { Pre = "kimi-k2" }, "'kimi-k2' is not supported");
        Refused(bytePair with { Tokens = [] }, "0 entries");
        Refused(bytePair with { TokenTypes = [1] }, "1 entries for 256 tokens");
        Refused(bytePair with { TokenTypes = [.. Enumerable.Repeat(9, 256)] }, "is 9");
        Refused(bytePair with { Tokens = [.. ByteTokens, "a"] }, "'a' has the ids");
        Refused(bytePair with { Merges = ["a bc"] }, "'bc' is not in the vocabulary");
        Refused(bytePair with { Merges = ["abc"] }, "not two tokens");
        Refused(bytePair with { BosTokenId = 256 }, "bos_token_id is 256");
        Refused(bytePair with { EosTokenIds = [-7] }, "eos_token_id is -7");
        Refused(SentencePiece with { Scores = null }, "0 entries");
        Refused(SentencePiece with { Scores = [.. Enumerable.Repeat(float.NaN, 13)] }, "no number");
        Refused(SentencePiece with { UnknownTokenId = -5 }, "unknown_token_id is -5");
        Refused(WordPiece with { UnknownTokenId = 99 }, "unknown_token_id is 99");

        static void Refused(GgufVocabulary vocabulary, string reason) =>
            Assert.Contains(reason, Assert.Throws<CheckpointException>(vocabulary.Build).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_named_pre_tokenizer_keeps_the_text()
    {
        string[] names =
        [
            "default", "gpt-2", "starcoder", "falcon", "chameleon", "deepseek-llm", "deepseek-coder", "deepseek-v3", "qwen2", "qwen35", "stablelm2",
            "llama-bpe", "dbrx", "tekken", "gpt-4o", "poro-chat", "viking", "bailingmoe", "seed-coder", "jais-2", "minicpm5",
            "ufakzeka", "laguna", "youtu",
        ];
        foreach (var name in names)
        {
            var preTokenizer = GgufPreTokenizers.Find(name).PreTokenizer;
            Gen.String[Gen.Char["aB'sSlL12  \t\n\r.,(!é中\u0301<|>/\uD83D\uDE00"], 0, 20].Sample(raw =>
            {
                var text = TokenizerInput.Join([new TextSegment(raw, false)]).Text;
                Assert.Equal(text, string.Concat(PreTokenizerTests.Pieces(preTokenizer, text)));
            }, iter: 300);
        }
    }

    /// <summary>Vocabularies of random parts: a tokenizer or a refusal, nothing else.</summary>
    [Fact]
    public void Random_vocabularies_give_a_tokenizer_or_a_refusal() =>
        Gen.Select(
            Gen.Int[0, 2].Select(index => ((string[])["gpt2", "llama", "bert"])[index]), Gen.Int[0, 2].Select(index => ((string[])["default", "qwen2", "x"])[index]), Gen.String[Gen.Char["ab▁<>|0x4Ġ é"], 0, 4].Array[0, 12], Gen.Int[0, 6].Array[0, 12],
            Gen.Float.Array[0, 12], Gen.String[Gen.Char["ab ▁"], 0, 4].Array[0, 4], Gen.Int[-2, 14].Array[4])
        .Sample((model, pre, tokens, types, scores, merges, ids) =>
        {
            var vocabulary = new GgufVocabulary
            {
                Model = model,
                Pre = pre,
                Tokens = tokens,
                TokenTypes = types.Length >= tokens.Length ? types[..tokens.Length] : types.Length % 2 == 0 ? null : types,
                Scores = scores.Length >= tokens.Length ? scores[..tokens.Length] : scores,
                Merges = merges,
                BosTokenId = ids[0],
                EosTokenIds = [ids[1]],
                UnknownTokenId = ids[2],
                SeparatorTokenId = ids[3],
            };
            try
            {
                var tokenizer = vocabulary.Build();
                tokenizer.Decode(tokenizer.Encode("ab é▁<|0x41>中", parseSpecial: true), skipSpecial: false);
            }
            catch (CheckpointException fault)
            {
                Assert.NotEmpty(fault.Message);
            }
        }, iter: 5000);
}

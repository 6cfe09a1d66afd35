using System.Text;
using System.Text.Json.Nodes;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

public sealed class TokenizerJsonTests
{
    // A Llama 2 vocabulary in miniature: characters, byte tokens for the rest, U+2581 for a space.
    private const string Llama2 = """
        {"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},{"id":2,"content":"</s>","special":true}],
         "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
         "pre_tokenizer":null,
         "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
          "special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
         "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
          {"type":"Strip","content":" ","start":1,"stop":0}]},
         "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,
          "vocab":{"<unk>":0,"<s>":1,"</s>":2,"<0xE4>":3,"<0xBD>":4,"<0xA0>":5,"▁":6,"a":7,"b":8,"ab":9,"▁ab":10},"merges":["a b","▁ ab"]}}
        """;

    private static string Bytes { get; } = string.Join(',', Enumerable.Range(0, 256).Select(value => $"{new JsonObject { ["x"] = ByteAlphabet.CharOf((byte)value).ToString() }["x"]!.ToJsonString()}:{value}"));

    [Fact]
    public void Characters_without_a_token_fall_back_to_bytes_or_the_unknown_token()
    {
        var tokenizer = Read(Llama2);
        Assert.Equal([1, 10, 6, 7], tokenizer.Encode("ab a"));
        Assert.Equal([10, 3, 4, 5, 7], tokenizer.Encode("ab你a", addSpecial: false));
        Assert.Equal([10, 0, 7], tokenizer.Encode("abé好a", addSpecial: false));
        Assert.Equal("ab你 a", tokenizer.Decode(tokenizer.Encode("ab你 a")));
        Assert.Equal(1, tokenizer.BosTokenId);
        Assert.Empty(tokenizer.Encode("", addSpecial: false));
    }

    [Fact]
    public void Added_tokens_are_matched_longest_first_with_their_rules()
    {
        var tokenizer = Read(ByteLevel("""
            {"id":300,"content":"<x>","special":true},{"id":301,"content":"<x>y"},{"id":302,"content":"[L]","lstrip":true},
            {"id":303,"content":"[R]","rstrip":true},{"id":304,"content":"word","single_word":true},{"id":305,"content":"Ж","normalized":true},
            {"id":306,"content":"<|tool|>"}
            """, normalizer: """{"type":"Lowercase"}"""));
        Assert.Equal([301, 'z'], Encode("<x>yz"));
        Assert.Equal([300, 'z'], Encode("<x>z"));
        Assert.Equal(['a', 302, ' ', 'b'], Encode("a \n[L] b"));
        Assert.Equal(['a', ' ', 303, 'b'], Encode("a [R] \t b"));
        Assert.Equal([' ', 304, '.'], Encode(" word."));
        Assert.Equal(['s', 'w', 'o', 'r', 'd'], Encode("sword"));
        Assert.Equal(['w', 'o', 'r', 'd', '_'], Encode("word_"));
        Assert.Equal([305, 305, 'a'], Encode("жЖA"));
        Assert.True(tokenizer.IsControl(306));
        Assert.DoesNotContain(306, tokenizer.Encode("<|tool|>", addSpecial: false));

        IReadOnlyList<int> Encode(string text) => tokenizer.Encode(text, addSpecial: false, parseSpecial: true);
    }

    [Fact]
    public void A_merge_into_a_control_token_is_never_made()
    {
        var file = ByteLevel("""{"id":256,"content":"ab","special":true}""").Replace("\"merges\":[]", "\"merges\":[\"a b\"]", StringComparison.Ordinal)
            .Replace(":255 }", ":255,\"ab\":256 }", StringComparison.Ordinal);
        Assert.Equal(['a', 'b'], Read(file).Encode("ab"));
        Assert.Equal([256], Read(file).Encode("ab", parseSpecial: true));
    }

    [Fact]
    public void Stages_after_the_byte_level_one_see_bytes()
    {
        // Byte 0xB2 is spelt U+00B2, a number, so the last stage cuts inside a character; so does the published library.
        var tokenizer = Read(ByteLevel("", preTokenizer: """
            {"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},{"type":"Digits","individual_digits":true}]}
            """, merges: """["Ã ²"]""", extra: ",\"Ã²\":256"));
        Assert.Equal([0xC3, 0xB2], tokenizer.Encode("ò"));
        Assert.Equal("ò", tokenizer.Decode([0xC3, 0xB2]));
    }

    [Fact]
    public void Start_and_end_tokens_follow_the_config_before_the_post_processor()
    {
        const string Added = """{"id":300,"content":"<s>","special":true},{"id":301,"content":"</s>","special":true}""";
        var file = ByteLevel(Added, postProcessor: """
            {"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing",
             "single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}],
             "special_tokens":{"<s>":{"ids":[300]},"</s>":{"ids":[301]}}}]}
            """);
        Assert.Equal([300, 'a', 301], Read(file).Encode("a"));
        Assert.Equal([300, 'a', 301], Read(file, """{"bos_token":"<s>","eos_token":{"content":"</s>"}}""").Encode("a"));
        Assert.Equal(['a'], Read(file, """{"bos_token":"<s>","eos_token":"</s>","add_bos_token":false,"add_eos_token":false}""").Encode("a"));
        var config = Read(ByteLevel(Added), """{"bos_token":"<s>","eos_token":"</s>","add_bos_token":true}""");
        Assert.Equal([300, 'a'], config.Encode("a"));
        Assert.Equal([301], config.EosTokenIds);
        Assert.True(config.AddsBos);
        Assert.False(Read(ByteLevel(Added), """{"bos_token":"<s>"}""").AddsBos);
    }

    [Fact]
    public void Split_behaviours_are_the_published_ones()
    {
        Assert.Equal(["a", "-", "-", "b"], Split("Isolated"));
        Assert.Equal(["a", "b"], Split("Removed"));
        Assert.Equal(["a-", "-", "b"], Split("MergedWithPrevious"));
        Assert.Equal(["a", "-", "-b"], Split("MergedWithNext"));
        Assert.Equal(["a", "--", "b"], Split("Contiguous"));

        static string[] Split(string behavior) => PreTokenizerTests.Pieces(
            PreTokenizerJson.Read(Parse($$"""{"type":"Split","pattern":{"String":"-"},"behavior":"{{behavior}}","invert":false}""")), "a--b");
    }

    [Fact]
    public void The_space_sign_stage_marks_word_starts()
    {
        var always = PreTokenizerJson.Read(Parse("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}"""));
        Assert.Equal(["▁a", "▁b"], PreTokenizerTests.Pieces(always, "a b"));
        var first = PreTokenizerJson.Read(Parse("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}"""));
        Assert.Equal("▁a▁b", first.Split("a b").Text);
        Assert.Equal("a▁b", first.Split("a b", isFirst: false).Text);
    }

    [Theory]
    [InlineData("\"type\":\"BPE\"", "\"type\":\"Unigram\"", "model.type is Unigram")]
    [InlineData("\"type\":\"BPE\"", "\"dropout\":0.1", "random")]
    [InlineData("\"type\":\"BPE\"", "\"end_of_word_suffix\":\"</w>\"", "end_of_word_suffix '</w>'")]
    [InlineData("\"type\":\"BPE\"", "\"unk_token\":\"<none>\"", "unk_token '<none>'")]
    [InlineData("\"merges\":[]", "\"merges\":[\"a zz\"]", "'zz' is not in the vocabulary")]
    [InlineData("\"merges\":[]", "\"merges\":[\"abc\"]", "not two tokens")]
    [InlineData("\"merges\":[]", "\"merges\":[[\"a\"]]", "not a tokenizer file")]
    [InlineData("\"merges\":[]", "\"merges\":7", "not a tokenizer file")]
    [InlineData("\"merges\":[]", "\"m\":[]", "no model.merges")]
    [InlineData("\"a\":97", "\"a\":-1", "an id is -1")]
    [InlineData("\"a\":97", "\"a\":98", "id 98 appears twice")]
    [InlineData("\"a\":97", "\"a\":97,\"a\":300", "'a' appears twice")]
    [InlineData("\"a\":97", "\"a\":1e9", "an id is 1e9")]
    [InlineData("\"a\":97", "\"a\":97,\"\":300", "token 300 is empty")]
    [InlineData("\"a\":97", "\"a\":97,\"\\ud800\":300", "not a tokenizer file")]
    [InlineData("\"added_tokens\":[]", "\"added_tokens\":[{\"id\":300}]", "no content")]
    [InlineData("\"added_tokens\":[]", "\"added_tokens\":[{\"id\":97,\"content\":\"x\"}]", "another token's")]
    [InlineData("\"added_tokens\":[]", "\"added_tokens\":{}", "not a tokenizer file")]
    [InlineData("\"normalizer\":null", "\"normalizer\":{\"type\":\"Precompiled\"}", "normalizer Precompiled is not supported")]
    [InlineData("\"post_processor\":null", "\"post_processor\":{\"type\":\"X\"}", "post_processor X is not supported")]
    [InlineData("\"type\":\"ByteLevel\",\"use_regex\":false", "\"type\":\"UnicodeScripts\"", "pre_tokenizer UnicodeScripts is not supported")]
    [InlineData("\"type\":\"ByteLevel\",\"use_regex\":false", "\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+b\"},\"behavior\":\"Isolated\"", "unbounded repetition of a group")]
    [InlineData("{\"type\":\"ByteLevel\"}", "{\"type\":\"CTC\"}", "decoder CTC")]
    public void A_bad_file_is_refused_with_its_reason(string part, string replacement, string reason)
    {
        var file = ByteLevel("");
        Assert.Contains(part, file, StringComparison.Ordinal);
        var fault = Assert.Throws<CheckpointException>(() => Read(file.Replace(part, replacement, StringComparison.Ordinal)));
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault.Message);
    }

    [Fact]
    public void Sizes_are_bounded()
    {
        var nested = string.Concat(Enumerable.Repeat("{\"type\":\"Sequence\",\"normalizers\":[", 40)) + string.Concat(Enumerable.Repeat("]}", 40));
        Assert.Throws<CheckpointException>(() => Read(ByteLevel("", normalizer: nested)));
        var many = "{\"type\":\"Sequence\",\"normalizers\":[" + string.Join(',', Enumerable.Repeat("{\"type\":\"NFC\"}", 40)) + "]}";
        Assert.Contains("more than 32 steps", Assert.Throws<CheckpointException>(() => Read(ByteLevel("", normalizer: many))).Message, StringComparison.Ordinal);
        Assert.Contains("257 characters", Assert.Throws<CheckpointException>(() => Read(ByteLevel($$"""{"id":300,"content":"{{new string('x', 257)}}"}"""))).Message, StringComparison.Ordinal);
        var added = string.Join(',', Enumerable.Range(0, 20_000).Select(i => $$"""{"id":{{300 + i}},"content":"{{i:00000}}{{new string('x', 250)}}"}"""));
        Assert.Contains("added tokens have more than", Assert.Throws<CheckpointException>(() => Read(ByteLevel(added))).Message, StringComparison.Ordinal);
        Assert.Contains("4097 bytes", Assert.Throws<CheckpointException>(() => Read(ByteLevel("", extra: $",\"{new string('x', 4097)}\":300"))).Message, StringComparison.Ordinal);
        foreach (var step in (string[])["""{"type":"Replace","pattern":{"String":"a"},"content":"aaaaa"}""", """{"type":"Prepend","prepend":"aaaa"}"""])
            Assert.Contains("16 times as long", Assert.Throws<CheckpointException>(() => Read(ByteLevel("", normalizer: $$"""{"type":"Sequence","normalizers":[{{step}},{{step}}]}"""))).Message, StringComparison.Ordinal);
        Assert.Contains("the limit is", Assert.Throws<CheckpointException>(() => TokenizerJson.Read(new byte[TokenizerJson.MaxBytes + 1], default, "x")).Message, StringComparison.Ordinal);
        var merges = "[" + string.Join(',', Enumerable.Repeat("0", TokenizerJson.MaxMerges + 1)) + "]";
        Assert.Contains("merges, the limit is", Assert.Throws<CheckpointException>(() => Read(ByteLevel("", merges: merges))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_names_its_path()
    {
        var fault = Assert.Throws<CheckpointException>(() => TokenizerLoader.FromDirectory("/nowhere"));
        Assert.Contains("tokenizer.json: does not exist", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>Bytes of published files with random damage: a tokenizer or a refusal, nothing else.</summary>
    [Theory]
    [InlineData("deepseek-v3", 1)]
    [InlineData("llama3-rope", 2)]
    [InlineData("qwen2", 3)]
    public void Damaged_files_give_a_tokenizer_or_a_refusal(string folder, int seed)
    {
        var random = new Random(seed);
        var source = File.ReadAllBytes(Path.Combine(TokenizerFixtures.GoldenFolder(folder), "hf", "tokenizer.json"));
        var config = File.ReadAllBytes(Path.Combine(TokenizerFixtures.GoldenFolder(folder), "hf", "tokenizer_config.json"));
        for (var round = 0; round < 400; round++)
        {
            var bytes = Damage(round % 4 == 3 ? config : source, random);
            try
            {
                var tokenizer = round % 4 == 3 ? TokenizerJson.Read(source, bytes, "fuzz") : TokenizerJson.Read(bytes, config, "fuzz");
                tokenizer.Decode(tokenizer.Encode("The café, 12345 中文 <think>\n\n  x", parseSpecial: true));
            }
            catch (CheckpointException fault)
            {
                Assert.StartsWith("fuzz", fault.Message, StringComparison.Ordinal);
            }
        }
    }

    internal static byte[] Damage(byte[] source, Random random)
    {
        const string Alphabet = "{}[]\",:\\0129-e.nulltrueaĠ ";
        var bytes = source.ToList();
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0: bytes[at] = (byte)Alphabet[random.Next(Alphabet.Length)]; break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 40), bytes.Count - at - 1)); break;
                default: bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - 20), 20)); break;
            }
        }

        return [.. bytes];
    }

    private static string ByteLevel(
        string added, string normalizer = "null", string postProcessor = "null", string preTokenizer = """{"type":"ByteLevel","use_regex":false,"add_prefix_space":false}""",
        string merges = "[]", string extra = "") =>
        $$$"""
        {"added_tokens":[{{{added}}}],"normalizer":{{{normalizer}}},"pre_tokenizer":{{{preTokenizer}}},"post_processor":{{{postProcessor}}},
         "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","merges":{{{merges}}},"vocab":{ {{{Bytes}}}{{{extra}}} } } }
        """;

    private static Tokenizer Read(string file, string config = "") => TokenizerJson.Read(Encoding.UTF8.GetBytes(file), Encoding.UTF8.GetBytes(config), "test");

    private static System.Text.Json.JsonElement Parse(string json)
    {
        using var document = System.Text.Json.JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}

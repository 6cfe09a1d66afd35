using System.IO.Compression;
using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>Random texts against what a published tokenizer library gives, and normal forms against ICU (Unicode 17).</summary>
public sealed class RandomTextTests
{
    [Theory]
    [InlineData("deepseek-v2-lite")]
    [InlineData("deepseek-v3")]
    [InlineData("llama3-rope")]
    [InlineData("qwen2")]
    public void Random_texts_give_the_ids_of_a_published_library(string folder) => AssertIds(TokenizerFixtures.Golden(folder), folder);

    [Fact]
    public void The_published_gpt2_vocabulary_gives_the_ids_of_a_published_library()
    {
        using var file = new GZipStream(File.OpenRead(SharedData.PathOrSkip("data/tokenizer/hf-gpt2/tokenizer.json.gz")), CompressionMode.Decompress);
        var bytes = new MemoryStream();
        file.CopyTo(bytes);
        AssertIds(TokenizerJson.Read(bytes.ToArray(), default, "hf-gpt2"), "hf-gpt2");
    }

    [Fact]
    public void Normal_forms_are_those_of_unicode()
    {
        NormalizationForm[] forms = [NormalizationForm.FormC, NormalizationForm.FormD, NormalizationForm.FormKC, NormalizationForm.FormKD];
        foreach (var row in TokenizerFixtures.Json(TokenizerFixtures.LocalFile("normalization_forms.json")).EnumerateArray())
            for (var i = 0; i < forms.Length; i++)
                Assert.Equal(row[i + 1].GetString(), Normalization.Apply(row[0].GetString()!, forms[i]));
    }

    [Fact]
    public void A_long_chain_of_marks_is_sorted_and_composed()
    {
        var text = "a" + string.Concat(Enumerable.Repeat("\u0301\u0323", 5000));
        var composed = Normalization.Apply(text, NormalizationForm.FormC);
        Assert.Equal("\u1EA1" + new string('\u0323', 4999) + new string('\u0301', 5000), composed);
    }

    private static void AssertIds(Tokenizer tokenizer, string name)
    {
        var fixture = TokenizerFixtures.Json(TokenizerFixtures.LocalFile("random_texts.json"));
        var texts = fixture.GetProperty("texts");
        var ids = fixture.GetProperty("ids").GetProperty(name);
        for (var i = 0; i < texts.GetArrayLength(); i++)
            Assert.Equal(TokenizerFixtures.Ids(ids[i]), tokenizer.Encode(texts[i].GetString()!, addSpecial: false, parseSpecial: true));
    }
}

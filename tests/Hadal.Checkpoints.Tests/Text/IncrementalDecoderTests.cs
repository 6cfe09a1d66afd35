using CsCheck;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

public sealed class IncrementalDecoderTests
{
    [Theory]
    [InlineData("deepseek-v3")]
    [InlineData("deepseek-v2-lite")]
    [InlineData("qwen2")]
    public void Pieces_join_to_the_text_of_all_ids_and_never_split_a_character(string folder)
    {
        var tokenizer = TokenizerFixtures.Golden(folder);
        foreach (var skipSpecial in (bool[])[true, false])
        {
            Gen.Int[0, tokenizer.VocabSize + 3].List[0, 60].Sample(ids =>
            {
                var decoder = new IncrementalDecoder(tokenizer, skipSpecial);
                List<string> pieces = [.. ids.Select(decoder.Append), decoder.Flush()];
                Assert.Equal(tokenizer.Decode(ids, skipSpecial), string.Concat(pieces));
                Assert.DoesNotContain(pieces, piece => piece.Length > 0 && (char.IsHighSurrogate(piece[^1]) || char.IsLowSurrogate(piece[0])));
            }, iter: 2000);
        }
    }

    [Fact]
    public void An_emoji_in_four_bytes_comes_out_with_its_last_one()
    {
        var tokenizer = TokenizerFixtures.Golden("deepseek-v3");
        var ids = tokenizer.Encode("a😀b", addSpecial: false);
        var decoder = new IncrementalDecoder(tokenizer);
        Assert.Equal(6, ids.Count);
        Assert.Equal(["a", "", "", "", "😀", "b", ""], [.. ids.Select(decoder.Append), decoder.Flush()]);
    }

    [Fact]
    public void A_character_cut_short_becomes_a_replacement_character_when_flushed()
    {
        var tokenizer = TokenizerFixtures.Golden("deepseek-v3");
        var ids = tokenizer.Encode("😀", addSpecial: false);
        var decoder = new IncrementalDecoder(tokenizer);
        Assert.Equal("", decoder.Append(ids[0]) + decoder.Append(ids[1]));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("", decoder.Flush());
        Assert.Equal("\uFFFD", tokenizer.Decode(ids.Take(2)));
    }

    [Fact]
    public void Control_tokens_give_their_text_only_when_asked_for()
    {
        var tokenizer = TokenizerFixtures.Golden("deepseek-v3");
        Assert.True(tokenizer.TryGetTokenId("<｜User｜>", out var user));
        Assert.True(tokenizer.IsControl(user));
        Assert.Equal("", new IncrementalDecoder(tokenizer).Append(user));
        Assert.Equal("<｜User｜>", new IncrementalDecoder(tokenizer, skipSpecial: false).Append(user));
    }
}

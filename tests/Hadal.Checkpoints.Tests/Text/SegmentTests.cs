using CsCheck;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>Who may write control tokens.</summary>
public sealed class SegmentTests
{
    private static readonly Tokenizer Tokenizer = TokenizerFixtures.Golden("deepseek-v3");

    [Theory]
    [InlineData("<｜User｜>")]
    [InlineData("<｜Assistant｜>")]
    [InlineData("<｜end▁of▁sentence｜>")]
    public void Control_tokens_in_untrusted_text_are_plain_text(string marker)
    {
        Assert.True(Tokenizer.TryGetTokenId(marker, out var id));
        var text = $"please {marker} say";
        Assert.DoesNotContain(id, Tokenizer.Encode(text, addSpecial: false));
        Assert.Contains(id, Tokenizer.Encode(text, addSpecial: false, parseSpecial: true));
        Assert.Equal(text, Tokenizer.Decode(Tokenizer.Encode(text, addSpecial: false)));

        var ids = Tokenizer.Encode([new TextSegment(marker, true), new TextSegment(text, false), new TextSegment(marker, true)], addSpecial: false);
        Assert.Equal(2, ids.Count(found => found == id));
        Assert.Equal(id, ids[0]);
        Assert.Equal(id, ids[^1]);
    }

    [Fact]
    public void A_marker_that_is_only_partly_trusted_is_plain_text()
    {
        const string Marker = "<｜User｜>";
        Assert.True(Tokenizer.TryGetTokenId(Marker, out var id));
        for (var cut = 1; cut < Marker.Length; cut++)
        {
            Assert.DoesNotContain(id, Tokenizer.Encode([new TextSegment(Marker[..cut], true), new TextSegment(Marker[cut..], false)], addSpecial: false));
            Assert.DoesNotContain(id, Tokenizer.Encode([new TextSegment(Marker[..cut], false), new TextSegment(Marker[cut..], true)], addSpecial: false));
            Assert.Equal([id], Tokenizer.Encode([new TextSegment(Marker[..cut], true), new TextSegment(Marker[cut..], true)], addSpecial: false));
        }
    }

    [Fact]
    public void Borders_between_segments_leave_no_trace() => Gen.String[Gen.Char["ab 12.\n中é\uD83D\uDE00<>"], 0, 8].Array[0, 5].Sample(parts =>
    {
        var text = string.Concat(parts);
        for (var trust = 0; trust < 2; trust++)
            Assert.Equal(Tokenizer.Encode(text), Tokenizer.Encode([.. parts.Select((part, index) => new TextSegment(part, index % 2 == trust))], addSpecial: true));
    }, iter: 2000);

    [Fact]
    public void Thinking_marks_are_recognised_in_any_text()
    {
        Assert.True(Tokenizer.TryGetTokenId("<think>", out var id));
        Assert.False(Tokenizer.IsControl(id));
        Assert.Equal([id], Tokenizer.Encode("<think>", addSpecial: false));
        Assert.Equal("<think>", Tokenizer.Decode([id]));
    }

    [Fact]
    public void Odd_characters_come_back_and_lone_surrogates_as_replacement_characters()
    {
        Check("\uD83D", "\uFFFD");
        Check("a\uDE00b", "a\uFFFDb");
        Check("\uDE00\uD83D", "\uFFFD\uFFFD");
        Check("\uD83D\uD83D\uDE00", "\uFFFD😀");
        Check("\0\u0001", "\0\u0001");
        Check("\uFEFFx\u202Ey", "\uFEFFx\u202Ey");
        Check("葛\U000E0100👩‍👩‍👧‍👦", "葛\U000E0100👩‍👩‍👧‍👦");

        static void Check(string text, string expected) => Assert.Equal(expected, Tokenizer.Decode(Tokenizer.Encode(text, addSpecial: false)));
    }

    [Fact]
    public void A_text_has_at_least_the_tokens_that_its_bytes_need()
    {
        Gen.String[Gen.Char["ab 12.\n中é\uD83D\uDE00<>"], 0, 40].Sample(text =>
            Assert.InRange(Tokenizer.Encode(text, addSpecial: false).Count, Tokenizer.MinTokenCount(text), int.MaxValue), iter: 1000);
        Assert.InRange(Tokenizer.MinTokenCount(new string('x', 100_000)), 1_000, 100_000);
        Assert.Equal(0, Tokenizer.MinTokenCount(""));
        Assert.Equal(0, TokenizerFixtures.Golden("qwen2").MinTokenCount("abc"));
    }

    [Fact]
    public void Missing_text_is_refused()
    {
        Assert.Throws<ArgumentNullException>(() => Tokenizer.Encode((string)null!));
        Assert.Throws<ArgumentNullException>(() => Tokenizer.Encode([new TextSegment(null!, true)], addSpecial: false));
        Assert.Throws<ArgumentNullException>(() => Tokenizer.Decode(null!));
    }

    [Fact]
    public void Ids_without_a_token_decode_to_nothing()
    {
        Assert.Equal("", Tokenizer.Decode([-1, int.MinValue, 1_000_000, Tokenizer.VocabSize]));
        Assert.True(Tokenizer.TokenBytes(-1).IsEmpty);
        Assert.Equal("", Tokenizer.TokenText(-1));
    }
}

using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>Settings of <c>tokenizer.json</c> against what the library that defines them gives, on a vocabulary in which nearly every
/// two neighbouring bytes merge, so that a wrong split shows.</summary>
public sealed class TokenizerSettingsTests
{
    private static readonly JsonElement Settings = TokenizerFixtures.Json(TokenizerFixtures.LocalFile("tokenizer_settings.json")).GetProperty("settings");
    private static readonly (string Left, string Right)[] AllMerges = [.. Merges()];
    private static readonly string MergesAsPairs = $"[{string.Join(',', AllMerges.Select(merge => $"[{Quoted(merge.Left)},{Quoted(merge.Right)}]"))}]";
    private static readonly string MergesAsText = $"[{string.Join(',', AllMerges.Select(merge => Quoted($"{merge.Left} {merge.Right}")))}]";
    private static readonly string Vocab =
        $"{{{string.Join(',', Alphabet().Concat(AllMerges.Select(merge => merge.Left + merge.Right)).Select((token, id) => $"{Quoted(token)}:{id}"))}}}";

    public static TheoryData<string> Names { get; } = [.. Settings.EnumerateObject().Select(setting => setting.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Texts_give_the_ids_of_a_published_library(string name)
    {
        var setting = Settings.GetProperty(name);
        var tokenizer = Read(setting.GetProperty("file"));
        foreach (var item in setting.GetProperty("cases").EnumerateArray())
        {
            var text = item[0].GetString()!;
            var ids = TokenizerFixtures.Ids(item[1]);
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
            Assert.Equal(item.GetArrayLength() > 2 ? item[2].GetString() : text, tokenizer.Decode(ids, skipSpecial: false));
        }
    }

    private static Tokenizer Read(JsonElement setting)
    {
        var parts = Members(setting);
        var model = parts.Remove("model") ? Members(setting.GetProperty("model")) : [];
        model["merges"] = model.Remove("mergesAsText") ? MergesAsText : MergesAsPairs;
        model["vocab"] = Vocab;
        model["type"] = "\"BPE\"";
        parts["model"] = Joined(model);
        parts["decoder"] = """{"type":"ByteLevel"}""";
        var file = Joined(parts);
        return TokenizerJson.Read(Encoding.UTF8.GetBytes(file), default, "settings");
    }

    private static Dictionary<string, string> Members(JsonElement json) => json.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetRawText());

    private static string Joined(Dictionary<string, string> members) => $"{{{string.Join(',', members.Select(member => $"{Quoted(member.Key)}:{member.Value}"))}}}";

    private static string Quoted(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private static IEnumerable<string> Alphabet() => Enumerable.Range(0, 256).Select(value => ByteAlphabet.CharOf((byte)value).ToString());

    /// <summary>As tests/tools/make-tokenizer-settings.mjs makes them.</summary>
    private static IEnumerable<(string Left, string Right)> Merges()
    {
        for (var rank = 0; rank < 65536; rank++)
        {
            var pair = (int)((rank * 40503L + 12345) % 65536);
            var (left, right) = ((byte)(pair >> 8), (byte)(pair & 255));
            if (rank % 16 == 0 || (IsPrintable(left) && IsPrintable(right))) yield return (ByteAlphabet.CharOf(left).ToString(), ByteAlphabet.CharOf(right).ToString());
        }

        static bool IsPrintable(byte value) => value is >= 32 and < 127;
    }
}

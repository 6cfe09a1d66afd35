using System.Text.RegularExpressions;
using Hadal.Tests;
using Hadal.Web.Language;

namespace Hadal.Web.Tests;

/// <summary>The page speaks both languages wholly.</summary>
public sealed partial class TextsTests
{
    [Fact]
    public void Both_languages_have_the_same_texts_with_the_same_places()
    {
        Assert.Equal(Texts.English.Keys.Order(), Texts.Chinese.Keys.Order());
        foreach (var key in Texts.English.Keys)
        {
            Assert.Equal(Places(Texts.English[key]), Places(Texts.Chinese[key]));
            Assert.False(string.IsNullOrWhiteSpace(Texts.Chinese[key]), key);
        }
    }

    [Fact]
    public void Every_text_that_the_page_asks_for_is_there_and_none_is_idle()
    {
        var folder = Path.Combine(SharedData.RepositoryRoot, "src", "Hadal.Web");
        var source = string.Concat(Directory.EnumerateFiles(folder, "*.*", SearchOption.AllDirectories)
            .Where(file => Path.GetExtension(file) is ".cs" or ".razor" && !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)).Select(File.ReadAllText));
        var asked = Key().Matches(source).Select(match => match.Groups[1].Value).ToHashSet();
        Assert.True(asked.Count > 60, "the source names its texts otherwise");
        Assert.All(asked, key => Assert.Contains(key, Texts.English.Keys));

        // Put together from parts: T["theme." + theme].
        string[] composed = ["theme.", "end.", "empty.example.", "empty.begin."];
        var idle = Texts.English.Keys.Except(asked).Where(key => !composed.Any(part => key.StartsWith(part, StringComparison.Ordinal)) && !source.Contains($"\"{key}\"", StringComparison.Ordinal)).ToList();
        Assert.True(idle.Count == 0, string.Join(", ", idle));
    }

    [Theory]
    [InlineData("zh-CN", "zh")]
    [InlineData("zh", "zh")]
    [InlineData("en-GB", "en")]
    [InlineData("fr", "en")]
    public void A_system_language_gives_the_nearest_one(string tag, string code) => Assert.Equal(code, Texts.Of(tag).Code);

    private static IEnumerable<string> Places(string text) => Place().Matches(text).Select(match => match.Value).Order();

    [GeneratedRegex("""(?:T|Texts)(?:\[|\.Format\()"([^"]+)"[\],)]""")]
    private static partial Regex Key();

    [GeneratedRegex("""\{\d\}""")]
    private static partial Regex Place();
}

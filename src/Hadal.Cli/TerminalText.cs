using System.Text;
using Hadal.Checkpoints.Text;

namespace Hadal.Cli;

/// <summary>Text of models and files as a terminal may show it.</summary>
internal static class TerminalText
{
    /// <summary>The text with control characters other than line ends and tabs made visible, so that nothing a model writes can steer the terminal.</summary>
    public static string Visible(string text)
    {
        if (!text.Any(IsHidden)) return text;
        var visible = new StringBuilder(text.Length);
        foreach (var unit in text)
        {
            if (!IsHidden(unit)) visible.Append(unit);
            else visible.Append(unit < ' ' ? (char)('\u2400' + unit) : '\uFFFD');
        }

        return visible.ToString();
    }

    /// <summary>A token's text in quotes on one line.</summary>
    public static string Quoted(Tokenizer tokenizer, int tokenId) => $"'{Visible(tokenizer.TokenText(tokenId)).ReplaceLineEndings("\u240A")}'";

    private static bool IsHidden(char unit) => char.IsControl(unit) && unit is not ('\n' or '\t');
}

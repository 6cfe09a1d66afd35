using System.Text;

namespace Hadal.Server.Answers;

/// <summary>The beginning of a JSON text as grammars for models have it.</summary>
internal static class JsonBeginning
{
    private const string Whitespace = " \t\r\n";

    /// <summary>Leaves out white space that says nothing: all outside of strings but what parts two words or numbers, which no JSON has, and what ends a number or half a word that the text ends with, for without it
    /// more of it could follow.</summary>
    /// <param name="text">The text.</param>
    public static string WithoutWhitespace(string text)
    {
        var plain = new StringBuilder(text.Length);
        var (isString, isEscaped, isApart) = (false, false, false);
        foreach (var unit in text)
        {
            if (!isString && Whitespace.Contains(unit, StringComparison.Ordinal))
            {
                isApart = true;
                continue;
            }

            if (isApart && EndsInWord(plain) && !IsMark(unit)) plain.Append(' ');
            isApart = false;
            plain.Append(unit);
            if (unit == '"' && !isEscaped) isString = !isString;
            isEscaped = isString && unit == '\\' && !isEscaped;
        }

        return isApart && !isString && CouldGoOn(plain.ToString()) ? plain.Append(' ').ToString() : plain.ToString();
    }

    private static bool IsMark(char unit) => unit is '{' or '}' or '[' or ']' or ',' or ':';

    private static bool EndsInWord(StringBuilder text) => text.Length > 0 && !IsMark(text[^1]);

    private static bool CouldGoOn(string text) =>
        text.Length > 0 && !IsMark(text[^1]) && text[^1] != '"' && !text.EndsWith("true", StringComparison.Ordinal) && !text.EndsWith("false", StringComparison.Ordinal) && !text.EndsWith("null", StringComparison.Ordinal);
}

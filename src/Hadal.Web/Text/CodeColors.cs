namespace Hadal.Web.Text;

/// <summary>What a piece of code is.</summary>
internal enum CodePart
{
    /// <summary>Anything else.</summary>
    Plain,

    /// <summary>A word that the language has taken.</summary>
    Keyword,

    /// <summary>Text between quotes.</summary>
    Quoted,

    /// <summary>A number.</summary>
    Number,

    /// <summary>What the machine does not read.</summary>
    Comment,
}

/// <summary>Tells keywords, texts, numbers and comments apart, well enough to read by: one rule for all languages, two forms of comments.</summary>
internal static class CodeColors
{
    private static readonly HashSet<string> Keywords = new(StringComparer.Ordinal)
    {
        "abstract", "and", "as", "async", "await", "bool", "boolean", "break", "case", "catch", "char", "class", "const", "continue", "def", "default", "del", "delete", "do", "double", "elif", "else", "enum",
        "except", "export", "extends", "false", "False", "final", "finally", "float", "fn", "for", "foreach", "from", "func", "function", "global", "go", "if", "impl", "implements", "import", "in", "int",
        "interface", "internal", "is", "lambda", "let", "long", "match", "mut", "namespace", "new", "nil", "None", "not", "null", "or", "override", "package", "pass", "private", "protected", "pub", "public",
        "raise", "record", "return", "sealed", "self", "static", "string", "struct", "super", "switch", "this", "throw", "trait", "true", "True", "try", "type", "typeof", "use", "using", "var", "virtual",
        "void", "where", "while", "with", "yield", "SELECT", "FROM", "WHERE", "JOIN", "GROUP", "ORDER", "BY", "INSERT", "UPDATE", "DELETE", "CREATE", "TABLE", "AND", "OR", "NOT", "NULL", "LIMIT",
    };

    private static readonly HashSet<string> HashComments = new(StringComparer.OrdinalIgnoreCase) { "python", "py", "bash", "sh", "shell", "yaml", "yml", "toml", "ruby", "rb", "r", "perl", "dockerfile", "makefile", "ini" };

    private static readonly HashSet<string> Plain = new(StringComparer.OrdinalIgnoreCase) { "", "text", "txt", "plain", "markdown", "md", "html", "xml", "output", "console" };

    /// <summary>The code in pieces; joined they are the code.</summary>
    public static IEnumerable<(CodePart Kind, string Text)> Split(string code, string language)
    {
        if (Plain.Contains(language))
        {
            yield return (CodePart.Plain, code);
            yield break;
        }

        var lineComment = HashComments.Contains(language) ? "#" : language.Equals("sql", StringComparison.OrdinalIgnoreCase) ? "--" : "//";
        var plainFrom = 0;
        var at = 0;
        while (at < code.Length)
        {
            var (kind, length) = Next(code, at, lineComment);
            if (kind != CodePart.Plain)
            {
                if (at > plainFrom) yield return (CodePart.Plain, code[plainFrom..at]);
                yield return (kind, code.Substring(at, length));
                plainFrom = at + length;
            }

            at += length;
        }

        if (at > plainFrom) yield return (CodePart.Plain, code[plainFrom..]);
    }

    private static (CodePart Kind, int Length) Next(string code, int at, string lineComment)
    {
        var rest = code.AsSpan(at);
        if (rest.StartsWith(lineComment, StringComparison.Ordinal)) return (CodePart.Comment, To(rest, "\n", 0));
        if (lineComment == "//" && rest.StartsWith("/*", StringComparison.Ordinal)) return (CodePart.Comment, To(rest[2..], "*/", 2) + 2);
        if (rest[0] is '"' or '\'' or '`') return Quoted(rest);
        if (char.IsAsciiDigit(rest[0])) return (CodePart.Number, Run(rest, static unit => char.IsAsciiLetterOrDigit(unit) || unit is '.' or '_'));
        if (!char.IsLetter(rest[0]) && rest[0] != '_') return (CodePart.Plain, 1);
        var length = Run(rest, static unit => char.IsLetterOrDigit(unit) || unit == '_');
        return (Keywords.Contains(rest[..length].ToString()) ? CodePart.Keyword : CodePart.Plain, length);
    }

    /// <summary>Text up to its closing quote in the same line; an apostrophe alone is none.</summary>
    private static (CodePart Kind, int Length) Quoted(ReadOnlySpan<char> rest)
    {
        for (var i = 1; i < rest.Length && rest[i] != '\n'; i++)
        {
            if (rest[i] == '\\') i++;
            else if (rest[i] == rest[0]) return (CodePart.Quoted, i + 1);
        }

        return (CodePart.Plain, 1);
    }

    private static int To(ReadOnlySpan<char> rest, string mark, int markLength) => rest.IndexOf(mark, StringComparison.Ordinal) is var end and >= 0 ? end + markLength : rest.Length;

    private static int Run(ReadOnlySpan<char> rest, Func<char, bool> belongs)
    {
        var length = 1;
        while (length < rest.Length && belongs(rest[length])) length++;
        return length;
    }
}

using System.Text;
using System.Text.RegularExpressions;

namespace Hadal.Checkpoints.Adapters;

/// <summary>Values per module: the first key k for which <c>(.*\.)?(k)$</c> matches the module's path, as huggingface/peft <c>get_pattern_key</c> does it.</summary>
/// <remarks>peft writes whole paths as a rule, one for each module; those are compared as they are, because making a regular expression takes a millisecond.</remarks>
internal sealed class AdapterPatterns<T>
{
    /// <summary>Regular expressions of a config at most: each is held against each module.</summary>
    private const int MaxExpressions = 256;

    private readonly List<(Func<string, bool> IsMatch, T Value)> _patterns = [];

    /// <summary>Makes the patterns of a config ready.</summary>
    /// <param name="name">Name of <paramref name="values"/> in the config, for faults.</param>
    /// <param name="values">Values by pattern; null for none.</param>
    /// <param name="fault">Told what is wrong with them, once a pattern.</param>
    public AdapterPatterns(string name, IReadOnlyDictionary<string, T>? values, Action<string> fault)
    {
        var expressions = 0;
        foreach (var (key, value) in values ?? new Dictionary<string, T>())
        {
            if (PathEnding.Parse(key) is { } ending)
            {
                _patterns.Add((ending.Matches, value));
                continue;
            }

            if (++expressions > MaxExpressions)
            {
                fault(FormattableString.Invariant($"{name} has more than {MaxExpressions} regular expressions, the next being '{key}'; expected no more, or paths of modules"));
                return;
            }

            try
            {
                // Without backtracking: the pattern is a stranger's, and time must not grow faster than the name.
                _patterns.Add((new Regex($@"^(.*\.)?({key})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant).IsMatch, value));
            }
            catch (Exception thrown) when (thrown is ArgumentException or NotSupportedException)
            {
                fault($"{name}: '{key}' is no pattern: {thrown.Message}");
            }
        }
    }

    /// <summary>The value of a module.</summary>
    public T Of(string module, T otherwise)
    {
        foreach (var (isMatch, value) in _patterns)
            if (isMatch(module)) return value;
        return otherwise;
    }

    /// <summary>A key that is a path, or the end of one: letters, digits, underscores, hyphens and dots, of which a plain one is any character, as in every regular expression.</summary>
    /// <param name="text">What the path ends in; <see cref="Any"/> for any character.</param>
    /// <param name="isWhole">Whether it is all of the path.</param>
    private sealed class PathEnding(string text, bool isWhole)
    {
        private const char Any = '\0';

        /// <summary>The path; null where the key is more than that.</summary>
        public static PathEnding? Parse(string key)
        {
            var isWhole = key.StartsWith('^');
            var text = new StringBuilder(key.Length);
            for (var i = isWhole ? 1 : 0; i < key.Length; i++)
            {
                if (key[i] == '.') text.Append(Any);
                else if (char.IsAsciiLetterOrDigit(key[i]) || key[i] is '_' or '-') text.Append(key[i]);
                else if (key.AsSpan(i).StartsWith("\\.")) text.Append(key[++i]);
                else return null;
            }

            return new PathEnding(text.ToString(), isWhole);
        }

        /// <summary>Whether a path ends so, at a dot.</summary>
        public bool Matches(string path)
        {
            var begin = path.Length - text.Length;
            if (begin < 0 || (begin > 0 && (isWhole || path[begin - 1] != '.'))) return false;
            for (var i = text.Length - 1; i >= 0; i--)
                if (path[begin + i] != text[i] && text[i] != Any) return false;
            return true;
        }
    }
}

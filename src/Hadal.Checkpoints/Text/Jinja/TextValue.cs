using System.Text;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>A text that knows of every character whether the template wrote it (trusted) or the caller.</summary>
/// <remarks>Trust is kept as the offsets at which it changes; most texts have none.</remarks>
internal class TextValue : JinjaValue
{
    private readonly bool _startsTrusted;
    private readonly int[] _borders;

    internal TextValue(string text, bool startsTrusted, int[] borders)
    {
        Text = text;
        _startsTrusted = startsTrusted;
        _borders = borders;
    }

    protected TextValue(TextValue other) : this(other.Text, other._startsTrusted, other._borders)
    {
    }

    public static TextValue Empty { get; } = new("", true, []);

    public string Text { get; }

    public override string TypeName => "str";

    public override bool IsTrue => Text.Length > 0;

    public static TextValue Trusted(string text) => text.Length == 0 ? Empty : new TextValue(text, true, []);

    public static TextValue Untrusted(string text) => text.Length == 0 ? Empty : new TextValue(text, false, []);

    /// <summary>True if the template wrote all of it.</summary>
    public bool IsTrusted => IsUniform && _startsTrusted;

    /// <summary>True if one side wrote all of it.</summary>
    public bool IsUniform => _borders.Length == 0;

    /// <summary>The UTF-16 units [begin, end).</summary>
    public TextValue Slice(int begin, int end)
    {
        if (begin >= end) return Empty;
        if (begin == 0 && end == Text.Length) return this;
        if (IsUniform) return new TextValue(Text[begin..end], _startsTrusted, []);
        var builder = new TextBuilder();
        builder.Append(this, begin, end);
        return builder.ToValue();
    }

    /// <summary>The same trust over another text of the same length.</summary>
    public TextValue WithText(string text) => new(text, _startsTrusted, _borders);

    /// <summary>Whether the UTF-16 unit at an offset is trusted.</summary>
    public bool IsTrustedAt(int offset)
    {
        if (IsUniform) return _startsTrusted;
        var index = Array.BinarySearch(_borders, offset);
        var bordersPassed = index >= 0 ? index + 1 : ~index;
        return _startsTrusted ^ ((bordersPassed & 1) == 1);
    }

    /// <summary>Calls <paramref name="visit"/> for every stretch of one trust in [begin, end).</summary>
    public void ForEachStretch(int begin, int end, Action<int, int, bool> visit)
    {
        var index = Array.BinarySearch(_borders, begin);
        index = index >= 0 ? index + 1 : ~index;
        var trusted = _startsTrusted ^ ((index & 1) == 1);
        while (begin < end)
        {
            var next = index < _borders.Length ? Math.Min(_borders[index], end) : end;
            visit(begin, next, trusted);
            begin = next;
            trusted = !trusted;
            index++;
        }
    }
}

/// <summary>Tool-call arguments: text for templates that print them, the parsed object for templates that walk through them.</summary>
internal sealed class ArgumentsValue(TextValue text, JinjaValue parsed) : TextValue(text)
{
    public JinjaValue Parsed { get; } = parsed;
}

/// <summary>Builds a text piece by piece.</summary>
internal sealed class TextBuilder
{
    private readonly StringBuilder _text = new();
    private readonly List<int> _borders = [];
    private bool _startsTrusted = true;
    private bool _endsTrusted = true;

    public int Length => _text.Length;

    public void Append(string text, bool isTrusted) => Append(text.AsSpan(), isTrusted);

    public void Append(ReadOnlySpan<char> text, bool isTrusted)
    {
        if (text.Length == 0) return;
        Mark(isTrusted);
        _text.Append(text);
    }

    public void Append(char unit, bool isTrusted)
    {
        Mark(isTrusted);
        _text.Append(unit);
    }

    public void Append(TextValue value) => Append(value, 0, value.Text.Length);

    public void Append(TextValue value, int begin, int end)
    {
        if (value.IsUniform) Append(value.Text.AsSpan(begin, end - begin), value.IsTrustedAt(begin));
        else AppendStretches(value, begin, end);
    }

    public TextValue ToValue() => Length == 0 ? TextValue.Empty : new TextValue(_text.ToString(), _startsTrusted, [.. _borders]);

    public IReadOnlyList<TextSegment> ToSegments()
    {
        var value = ToValue();
        var segments = new List<TextSegment>(_borders.Count + 1);
        value.ForEachStretch(0, value.Text.Length, (from, to, trusted) => segments.Add(new TextSegment(value.Text[from..to], trusted)));
        return segments;
    }

    private void AppendStretches(TextValue value, int begin, int end) =>
        value.ForEachStretch(begin, end, (from, to, trusted) => Append(value.Text.AsSpan(from, to - from), trusted));

    private void Mark(bool isTrusted)
    {
        if (_text.Length == 0) _startsTrusted = isTrusted;
        else if (isTrusted != _endsTrusted) _borders.Add(_text.Length);
        _endsTrusted = isTrusted;
    }
}

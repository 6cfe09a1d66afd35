using System.Diagnostics.CodeAnalysis;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>A value of the template language. Plain data and a few functions of ours; nothing of the host is reachable from it.</summary>
internal abstract class JinjaValue
{
    /// <summary>Name of the type as Python has it, for error texts.</summary>
    public abstract string TypeName { get; }

    /// <summary>Whether <c>if</c> takes the value for true.</summary>
    public abstract bool IsTrue { get; }

    /// <summary>Levels of lists and mappings below and including this one.</summary>
    public virtual int Depth => 0;
}

internal sealed class NoneValue : JinjaValue
{
    public static NoneValue Instance { get; } = new();

    public override string TypeName => "NoneType";

    public override bool IsTrue => false;
}

/// <summary>What a missing variable or key gives: prints as nothing, is false, and fails when something is asked of it.</summary>
internal sealed class UndefinedValue(string what) : JinjaValue
{
    /// <summary>Sentence that says what is missing.</summary>
    public string What { get; } = what;

    public override string TypeName => "Undefined";

    public override bool IsTrue => false;
}

internal sealed class BooleanValue : JinjaValue
{
    public static BooleanValue True { get; } = new(true);

    public static BooleanValue False { get; } = new(false);

    private BooleanValue(bool value) => Value = value;

    public bool Value { get; }

    public override string TypeName => "bool";

    public override bool IsTrue => Value;

    public static BooleanValue Of(bool value) => value ? True : False;
}

internal sealed class IntegerValue(long value) : JinjaValue
{
    public long Value { get; } = value;

    public override string TypeName => "int";

    public override bool IsTrue => Value != 0;
}

/// <summary>A float; <paramref name="source"/> is the spelling of an integer of the caller's JSON that does not fit 64 bits.</summary>
internal sealed class FloatValue(double value, string? source = null) : JinjaValue
{
    public double Value { get; } = value;

    public string? Source { get; } = source;

    public override string TypeName => "float";

    public override bool IsTrue => Value != 0;
}

/// <summary>A list or a tuple; never changed after it is made.</summary>
internal sealed class ListValue(IReadOnlyList<JinjaValue> items, bool isTuple = false) : JinjaValue
{
    public IReadOnlyList<JinjaValue> Items { get; } = items;

    public bool IsTuple { get; } = isTuple;

    public override string TypeName => IsTuple ? "tuple" : "list";

    public override bool IsTrue => Items.Count > 0;

    public override int Depth { get; } = 1 + DepthOf(items);

    internal static int DepthOf(IEnumerable<JinjaValue> items)
    {
        var depth = 0;
        foreach (var item in items) depth = Math.Max(depth, item.Depth);
        return depth;
    }
}

/// <summary>A mapping in insertion order; never changed after it is made.</summary>
internal sealed class MappingValue(OrderedDictionary<JinjaValue, JinjaValue> items) : JinjaValue
{
    public OrderedDictionary<JinjaValue, JinjaValue> Items { get; } = items;

    public override string TypeName => "dict";

    public override bool IsTrue => Items.Count > 0;

    public override int Depth { get; } = 1 + ListValue.DepthOf(items.Values);

    public static OrderedDictionary<JinjaValue, JinjaValue> Empty(int capacity = 0) => new(capacity, JinjaKeys.Instance);

    public bool TryGet(string key, [MaybeNullWhen(false)] out JinjaValue value) => Items.TryGetValue(TextValue.Trusted(key), out value);
}

/// <summary>What <c>namespace()</c> makes: the one value whose attributes can be set. Counted as one level deep, and never walked into.</summary>
internal sealed class NamespaceValue : JinjaValue
{
    public Dictionary<string, JinjaValue> Attributes { get; } = new(StringComparer.Ordinal);

    public override string TypeName => "Namespace";

    public override bool IsTrue => true;

    public override int Depth => 1;
}

/// <summary>A function, a method bound to its value, or a macro.</summary>
internal sealed class CallableValue(string name, Func<JinjaRun, JinjaArguments, JinjaValue> call) : JinjaValue
{
    public string Name { get; } = name;

    public Func<JinjaRun, JinjaArguments, JinjaValue> Call { get; } = call;

    public override string TypeName => "function";

    public override bool IsTrue => true;
}

/// <summary>The variable <c>loop</c> of one iteration.</summary>
internal sealed class LoopValue(IReadOnlyList<JinjaValue> items, int index, int depth, LoopMemory memory) : JinjaValue
{
    public override string TypeName => "LoopContext";

    public override bool IsTrue => true;

    public JinjaValue? Attribute(string name) => name switch
    {
        "index" => new IntegerValue(index + 1),
        "index0" => new IntegerValue(index),
        "revindex" => new IntegerValue(items.Count - index),
        "revindex0" => new IntegerValue(items.Count - index - 1),
        "first" => BooleanValue.Of(index == 0),
        "last" => BooleanValue.Of(index == items.Count - 1),
        "length" => new IntegerValue(items.Count),
        "depth" => new IntegerValue(depth + 1),
        "depth0" => new IntegerValue(depth),
        "previtem" => index > 0 ? items[index - 1] : new UndefinedValue("there is no previous item"),
        "nextitem" => index + 1 < items.Count ? items[index + 1] : new UndefinedValue("there is no next item"),
        "cycle" => new CallableValue("cycle", (run, arguments) => arguments.Positional.Count == 0
            ? throw run.Fail("loop.cycle() needs at least one item")
            : arguments.Positional[index % arguments.Positional.Count]),
        "changed" => new CallableValue("changed", (run, arguments) => BooleanValue.Of(memory.Changed(run, arguments.Positional))),
        _ => null,
    };
}

/// <summary>What <c>loop.changed</c> remembers from one iteration to the next.</summary>
internal sealed class LoopMemory
{
    private IReadOnlyList<JinjaValue>? _last;

    public bool Changed(JinjaRun run, IReadOnlyList<JinjaValue> values)
    {
        var same = _last is not null && _last.Count == values.Count;
        for (var i = 0; same && i < values.Count; i++) same = JinjaOperators.AreEqual(run, _last![i], values[i]);
        _last = values;
        return !same;
    }
}

/// <summary>Arguments of a call.</summary>
/// <param name="positional">By position.</param>
/// <param name="named">By name.</param>
/// <param name="untrustedNames">Names that come from the keys of a mapping which the template did not write.</param>
internal sealed class JinjaArguments(
    IReadOnlyList<JinjaValue> positional, IReadOnlyDictionary<string, JinjaValue> named, IReadOnlySet<string>? untrustedNames = null)
{
    private static readonly Dictionary<string, JinjaValue> NoNames = [];

    public static JinjaArguments None { get; } = new([], NoNames);

    public IReadOnlyList<JinjaValue> Positional { get; } = positional;

    public IReadOnlyDictionary<string, JinjaValue> Named { get; } = named;

    /// <summary>The argument at a position or of a name, or null.</summary>
    public JinjaValue? Get(int index, string name) =>
        index < Positional.Count ? Positional[index] : Named.GetValueOrDefault(name);

    /// <summary>The name of an argument as a text.</summary>
    public TextValue NameText(string name) => untrustedNames?.Contains(name) == true ? TextValue.Untrusted(name) : TextValue.Trusted(name);

    /// <summary>The arguments without the first <paramref name="count"/> positional ones.</summary>
    public JinjaArguments Skip(int count) => new([.. Positional.Skip(count)], Named, untrustedNames);

    /// <summary>The arguments and one more.</summary>
    public JinjaArguments With(string name, JinjaValue value) =>
        new(Positional, new Dictionary<string, JinjaValue>(Named, StringComparer.Ordinal) { [name] = value }, untrustedNames);
}

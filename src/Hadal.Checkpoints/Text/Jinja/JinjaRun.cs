using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Ends a rendering; <see cref="ChatTemplate"/> adds the place.</summary>
[SuppressMessage("Design", "CA1064:Exceptions should be public", Justification = "Never leaves ChatTemplate.")]
[SuppressMessage("Design", "CA1032:Implement standard exception constructors", Justification = "Never leaves ChatTemplate.")]
internal sealed class JinjaFault(ChatTemplateFault fault, string message) : Exception(message)
{
    public ChatTemplateFault Fault { get; } = fault;
}

/// <summary>Variables of a block and of those around it.</summary>
internal sealed class JinjaScope(JinjaScope? parent)
{
    private readonly Dictionary<string, JinjaValue> _variables = new(StringComparer.Ordinal);

    public JinjaValue? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
            if (scope._variables.TryGetValue(name, out var value)) return value;
        return null;
    }

    public JinjaScope? Parent { get; } = parent;

    public void Set(string name, JinjaValue value) => _variables[name] = value;
}

/// <summary>The state of one rendering: variables, output, and what is left of the limits.</summary>
internal sealed class JinjaRun(ChatTemplateLimits limits, TimeProvider clock)
{
    private const int UnitsPerStep = 16, UnitsPerSearchStep = 4096;
    private long _steps;
    private int _macroDepth;

    public ChatTemplateLimits Limits { get; } = limits;

    public TimeProvider Clock { get; } = clock;

    public JinjaScope Scope { get; set; } = new(null);

    public TextBuilder Output { get; private set; } = new();

    /// <summary>Offset in the source of what is evaluated now.</summary>
    public int Position { get; set; }

    /// <summary>Counts a step at a place of the source.</summary>
    public void Step(int position)
    {
        Position = position;
        Charge(1);
        EnsureStack();
    }

    /// <summary>Ends the rendering before the stack does.</summary>
    [SuppressMessage("Performance", "CA1822:Mark members as static", Justification = "Read as a part of the run, like Charge.")]
    public void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new JinjaFault(ChatTemplateFault.Limit, "the template is nested too deeply");
    }

    /// <summary>Counts steps before their work is done.</summary>
    public void Charge(long steps)
    {
        _steps += steps;
        if (_steps > Limits.MaxSteps) throw new JinjaFault(ChatTemplateFault.Limit, FormattableString.Invariant($"the template takes more than {Limits.MaxSteps} steps"));
    }

    /// <summary>Counts a text before it is made.</summary>
    public void ChargeText(long length)
    {
        if (length > Limits.MaxOutputLength)
            throw new JinjaFault(ChatTemplateFault.Limit, FormattableString.Invariant($"the template makes a text of more than {Limits.MaxOutputLength} characters"));
        Charge(length / UnitsPerStep + 1);
    }

    /// <summary>Counts a search for one text in another before it is done; its time may be the product of both lengths.</summary>
    public void ChargeSearch(int length, int soughtLength) =>
        Charge(soughtLength > length ? 1 : (length / UnitsPerStep) + ((long)length * soughtLength / UnitsPerSearchStep) + 1);

    /// <summary>A value as the key of a mapping: checked, and counted, since its hash takes time by its size.</summary>
    public JinjaValue Key(JinjaValue value)
    {
        Charge(value switch { TextValue text => (text.Text.Length / UnitsPerStep) + 1, ListValue list => list.Items.Count + 1, _ => 1 });
        return JinjaKeys.IsHashable(value) ? value : throw Fail($"unhashable type: '{value.TypeName}'");
    }

    /// <summary>Makes a list, within the limits.</summary>
    public ListValue List(IReadOnlyList<JinjaValue> items, bool isTuple = false)
    {
        Charge(items.Count);
        return Checked(new ListValue(items, isTuple));
    }

    /// <summary>Makes a mapping, within the limits.</summary>
    public MappingValue Mapping(OrderedDictionary<JinjaValue, JinjaValue> items)
    {
        Charge(items.Count);
        return Checked(new MappingValue(items));
    }

    /// <summary>Joins two texts, within the limits.</summary>
    public TextValue Join(TextValue left, TextValue right)
    {
        if (right.Text.Length == 0) return left;
        if (left.Text.Length == 0) return right;
        ChargeText((long)left.Text.Length + right.Text.Length);
        var builder = new TextBuilder();
        builder.Append(left);
        builder.Append(right);
        return builder.ToValue();
    }

    public void Write(TextValue text)
    {
        ChargeText(text.Text.Length);
        if ((long)Output.Length + text.Text.Length > Limits.MaxOutputLength)
            throw new JinjaFault(ChatTemplateFault.Limit, FormattableString.Invariant($"the template writes more than {Limits.MaxOutputLength} characters"));
        Output.Append(text);
    }

    /// <summary>Runs statements and returns what they write.</summary>
    public TextValue Capture(Func<JinjaRun, JinjaFlow> body)
    {
        var outer = Output;
        Output = new TextBuilder();
        try
        {
            body(this);
            return Output.ToValue();
        }
        finally
        {
            Output = outer;
        }
    }

    /// <summary>Runs the body of a macro.</summary>
    public TextValue CallMacro(JinjaScope scope, Func<JinjaRun, JinjaFlow> body)
    {
        if (++_macroDepth > Limits.MaxDepth) throw new JinjaFault(ChatTemplateFault.Limit, FormattableString.Invariant($"macros call each other more than {Limits.MaxDepth} deep"));
        var (outer, position) = (Scope, Position);
        Scope = scope;
        try
        {
            return Capture(body);
        }
        finally
        {
            Scope = outer;
            Position = position;
            _macroDepth--;
        }
    }

    [SuppressMessage("Performance", "CA1822:Mark members as static", Justification = "Read as a part of the run, like Charge.")]
    public JinjaFault Fail(string message) => new(ChatTemplateFault.Evaluation, message);

    private T Checked<T>(T value) where T : JinjaValue =>
        value.Depth <= Limits.MaxDepth ? value : throw new JinjaFault(ChatTemplateFault.Limit, FormattableString.Invariant($"values lie in each other more than {Limits.MaxDepth} deep"));
}

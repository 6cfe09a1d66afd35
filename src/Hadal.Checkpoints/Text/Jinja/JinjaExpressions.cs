using System.Globalization;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>An expression and where it stands.</summary>
internal abstract class JinjaExpression(int position)
{
    public int Position { get; } = position;

    public JinjaValue Evaluate(JinjaRun run)
    {
        run.Step(Position);
        return Compute(run);
    }

    protected abstract JinjaValue Compute(JinjaRun run);
}

internal sealed class ConstantExpression(int position, JinjaValue value) : JinjaExpression(position)
{
    public JinjaValue Value { get; } = value;

    protected override JinjaValue Compute(JinjaRun run) => Value;
}

internal sealed class NameExpression(int position, string name) : JinjaExpression(position)
{
    public string Name { get; } = name;

    protected override JinjaValue Compute(JinjaRun run) => run.Scope.Find(Name) ?? new UndefinedValue($"'{Name}' is undefined");
}

internal sealed class ListExpression(int position, IReadOnlyList<JinjaExpression> items, bool isTuple) : JinjaExpression(position)
{
    public IReadOnlyList<JinjaExpression> Items { get; } = items;

    public bool IsTuple { get; } = isTuple;

    protected override JinjaValue Compute(JinjaRun run)
    {
        var values = new JinjaValue[Items.Count];
        for (var i = 0; i < values.Length; i++) values[i] = Items[i].Evaluate(run);
        return run.List(values, IsTuple);
    }
}

internal sealed class MappingExpression(int position, IReadOnlyList<(JinjaExpression Key, JinjaExpression Value)> items) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run)
    {
        var mapping = MappingValue.Empty(items.Count);
        foreach (var (key, value) in items)
        {
            var name = run.Key(key.Evaluate(run));
            mapping[name] = value.Evaluate(run);
        }

        return run.Mapping(mapping);
    }
}

internal sealed class BinaryExpression(int position, string name, JinjaExpression left, JinjaExpression right) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run)
    {
        var (x, y) = (left.Evaluate(run), right.Evaluate(run));
        run.Position = Position;
        return JinjaOperators.Binary(run, name, x, y);
    }
}

/// <summary><c>a &lt; b &lt;= c</c>: holds if every pair does, as in Python.</summary>
internal sealed class CompareExpression(int position, JinjaExpression first, IReadOnlyList<(string Name, JinjaExpression Operand)> rest) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run)
    {
        var left = first.Evaluate(run);
        foreach (var (name, operand) in rest)
        {
            var right = operand.Evaluate(run);
            run.Position = Position;
            if (!JinjaOperators.Compare(run, name, left, right)) return BooleanValue.False;
            left = right;
        }

        return BooleanValue.True;
    }
}

internal sealed class AndExpression(int position, JinjaExpression left, JinjaExpression right) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => left.Evaluate(run) is { IsTrue: false } value ? value : right.Evaluate(run);
}

internal sealed class OrExpression(int position, JinjaExpression left, JinjaExpression right) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => left.Evaluate(run) is { IsTrue: true } value ? value : right.Evaluate(run);
}

internal sealed class NotExpression(int position, JinjaExpression operand) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => BooleanValue.Of(!operand.Evaluate(run).IsTrue);
}

internal sealed class SignExpression(int position, JinjaExpression operand, bool isNegative) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) =>
        isNegative ? JinjaOperators.Negate(run, operand.Evaluate(run)) : JinjaOperators.Plus(run, operand.Evaluate(run));
}

/// <summary><c>*items</c> among the arguments of a call.</summary>
internal sealed class SpreadExpression(int position, JinjaExpression operand) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => operand.Evaluate(run);
}

internal sealed class ConditionalExpression(int position, JinjaExpression test, JinjaExpression then, JinjaExpression? otherwise) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => test.Evaluate(run).IsTrue
        ? then.Evaluate(run)
        : otherwise?.Evaluate(run) ?? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined");
}

internal sealed class MemberExpression(int position, JinjaExpression target, string name) : JinjaExpression(position)
{
    public JinjaExpression Target { get; } = target;

    public string Name { get; } = name;

    protected override JinjaValue Compute(JinjaRun run)
    {
        var value = Target.Evaluate(run);
        run.Position = Position;
        return JinjaMembers.Find(run, value, Name);
    }
}

internal sealed class SubscriptExpression(int position, JinjaExpression target, JinjaExpression index) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run)
    {
        var (value, at) = (target.Evaluate(run), index.Evaluate(run));
        run.Position = Position;
        return JinjaSequences.Subscript(run, value, at);
    }
}

internal sealed class SliceExpression(int position, JinjaExpression target, JinjaExpression? start, JinjaExpression? stop, JinjaExpression? step) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run)
    {
        var (value, from, to, by) = (target.Evaluate(run), start?.Evaluate(run), stop?.Evaluate(run), step?.Evaluate(run));
        run.Position = Position;
        return JinjaSequences.Slice(run, value, from, to, by);
    }
}

/// <summary>The arguments of a call as they are written; a named one without a name is <c>**mapping</c>.</summary>
internal sealed record CallArguments(IReadOnlyList<JinjaExpression> Positional, IReadOnlyList<(string Name, JinjaExpression Value)> Named)
{
    public static CallArguments None { get; } = new([], []);

    public JinjaArguments Evaluate(JinjaRun run)
    {
        if (Positional.Count == 0 && Named.Count == 0) return JinjaArguments.None;
        var positional = new List<JinjaValue>(Positional.Count);
        foreach (var argument in Positional)
        {
            var value = argument.Evaluate(run);
            if (argument is SpreadExpression) Spread(run, JinjaSequences.Items(run, value), positional);
            else positional.Add(value);
        }

        var named = new Dictionary<string, JinjaValue>(StringComparer.Ordinal);
        HashSet<string>? untrustedNames = null;
        foreach (var (name, argument) in Named)
        {
            var value = argument.Evaluate(run);
            if (name.Length > 0) named[name] = value;
            else if (value is not MappingValue mapping) throw run.Fail($"argument after ** must be a mapping, not {value.TypeName}");
            else SpreadNamed(run, mapping, named, untrustedNames ??= new HashSet<string>(StringComparer.Ordinal));
        }

        return new JinjaArguments(positional, named, untrustedNames);
    }

    private static void Spread(JinjaRun run, IReadOnlyList<JinjaValue> items, List<JinjaValue> positional)
    {
        run.Charge(items.Count);
        positional.AddRange(items);
    }

    private static void SpreadNamed(JinjaRun run, MappingValue mapping, Dictionary<string, JinjaValue> named, HashSet<string> untrustedNames)
    {
        run.Charge(mapping.Items.Count);
        foreach (var (key, item) in mapping.Items)
        {
            var name = PythonText.Of(run, run.Key(key));
            named[name.Text] = item;
            if (!name.IsTrusted) untrustedNames.Add(name.Text);
        }
    }
}

internal sealed class CallExpression(int position, JinjaExpression target, CallArguments arguments) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => Call(run, null);

    /// <summary>Calls, with <c>caller</c> where the call has a block.</summary>
    public JinjaValue Call(JinjaRun run, CallableValue? caller)
    {
        var function = target.Evaluate(run);
        var values = arguments.Evaluate(run);
        run.Position = Position;
        if (function is UndefinedValue missing) throw run.Fail(missing.What);
        if (function is not CallableValue callable) throw run.Fail($"'{function.TypeName}' object is not callable");
        if (caller is not null)
            values = values.With("caller", caller);
        return callable.Call(run, values);
    }
}

internal sealed class FilterExpression(int position, JinjaExpression? target, JinjaFilters.Filter filter, CallArguments arguments) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run) => Apply(run, target is null ? TextValue.Empty : target.Evaluate(run));

    public JinjaValue Apply(JinjaRun run, JinjaValue value)
    {
        var values = arguments.Evaluate(run);
        run.Position = Position;
        return filter(run, value, values);
    }
}

internal sealed class TestExpression(int position, JinjaExpression target, JinjaTests.Test test, CallArguments arguments) : JinjaExpression(position)
{
    protected override JinjaValue Compute(JinjaRun run)
    {
        var value = target.Evaluate(run);
        var values = arguments.Evaluate(run);
        run.Position = Position;
        return BooleanValue.Of(test(run, value, values));
    }
}

/// <summary>Constants of the source.</summary>
internal static class JinjaConstants
{
    public static JinjaValue? Named(string name) => name switch
    {
        "true" or "True" => BooleanValue.True,
        "false" or "False" => BooleanValue.False,
        "none" or "None" => NoneValue.Instance,
        _ => null,
    };

    public static JinjaValue Number(JinjaToken token) => token.Kind == TokenKind.Integer
        ? new IntegerValue(long.Parse(token.Value, CultureInfo.InvariantCulture))
        : new FloatValue(double.Parse(token.Value, CultureInfo.InvariantCulture));
}

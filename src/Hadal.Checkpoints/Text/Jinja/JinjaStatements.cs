namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>How a statement ended.</summary>
internal enum JinjaFlow
{
    Next,
    Break,
    Continue,
}

/// <summary>A statement and where it stands.</summary>
internal abstract class JinjaStatement(int position)
{
    public int Position { get; } = position;

    public JinjaFlow Execute(JinjaRun run)
    {
        run.Step(Position);
        return Perform(run);
    }

    protected abstract JinjaFlow Perform(JinjaRun run);
}

internal sealed class BlockStatement(int position, IReadOnlyList<JinjaStatement> statements) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        foreach (var statement in statements)
            if (statement.Execute(run) is var flow and not JinjaFlow.Next) return flow;
        return JinjaFlow.Next;
    }
}

internal sealed class TextStatement(int position, string text) : JinjaStatement(position)
{
    private readonly TextValue _text = TextValue.Trusted(text);

    protected override JinjaFlow Perform(JinjaRun run)
    {
        run.Write(_text);
        return JinjaFlow.Next;
    }
}

internal sealed class PrintStatement(int position, JinjaExpression expression) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        run.Write(PythonText.Of(run, expression.Evaluate(run)));
        return JinjaFlow.Next;
    }
}

internal sealed class FlowStatement(int position, JinjaFlow flow) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run) => flow;
}

internal sealed class IfStatement(int position, IReadOnlyList<(JinjaExpression Test, JinjaStatement Body)> branches, JinjaStatement? otherwise) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        foreach (var (test, body) in branches)
            if (test.Evaluate(run).IsTrue) return body.Execute(run);
        return otherwise?.Execute(run) ?? JinjaFlow.Next;
    }
}

internal sealed class ForStatement(
    int position, JinjaExpression target, JinjaExpression source, JinjaExpression? filter, JinjaStatement body, JinjaStatement? otherwise, int depth)
    : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        var outer = run.Scope;
        var items = JinjaSequences.Items(run, source.Evaluate(run));
        try
        {
            if (filter is not null) items = Filtered(run, outer, items);
            var memory = new LoopMemory();
            for (var i = 0; i < items.Count; i++)
            {
                run.Scope = new JinjaScope(outer);
                JinjaAssignment.Assign(run, target, items[i]);
                run.Scope.Set("loop", new LoopValue(items, i, depth, memory));
                if (body.Execute(run) == JinjaFlow.Break) break;
            }
        }
        finally
        {
            run.Scope = outer;
        }

        return items.Count == 0 && otherwise is not null ? otherwise.Execute(run) : JinjaFlow.Next;
    }

    private List<JinjaValue> Filtered(JinjaRun run, JinjaScope outer, IReadOnlyList<JinjaValue> items)
    {
        var kept = new List<JinjaValue>();
        foreach (var item in items)
        {
            run.Scope = new JinjaScope(outer);
            JinjaAssignment.Assign(run, target, item);
            if (filter!.Evaluate(run).IsTrue) kept.Add(item);
        }

        run.Scope = outer;
        return kept;
    }
}

internal sealed class SetStatement(int position, JinjaExpression target, JinjaExpression value) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        JinjaAssignment.Assign(run, target, value.Evaluate(run));
        return JinjaFlow.Next;
    }
}

/// <summary><c>{% set x %}…{% endset %}</c>, with filters if any.</summary>
internal sealed class SetBlockStatement(int position, JinjaExpression target, IReadOnlyList<FilterExpression> filters, JinjaStatement body) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        JinjaAssignment.Assign(run, target, JinjaAssignment.Filtered(run, filters, body));
        return JinjaFlow.Next;
    }
}

internal sealed class FilterStatement(int position, IReadOnlyList<FilterExpression> filters, JinjaStatement body) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        run.Write(PythonText.Of(run, JinjaAssignment.Filtered(run, filters, body)));
        return JinjaFlow.Next;
    }
}

internal sealed class WithStatement(int position, IReadOnlyList<(JinjaExpression Target, JinjaExpression Value)> variables, JinjaStatement body) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        var outer = run.Scope;
        var values = variables.Select(variable => variable.Value.Evaluate(run)).ToArray();
        run.Scope = new JinjaScope(outer);
        try
        {
            for (var i = 0; i < values.Length; i++) JinjaAssignment.Assign(run, variables[i].Target, values[i]);
            return body.Execute(run);
        }
        finally
        {
            run.Scope = outer;
        }
    }
}

/// <summary>Parameters and body of a macro or of a call block.</summary>
internal sealed class MacroDefinition(string name, IReadOnlyList<(string Name, JinjaExpression? Default)> parameters, JinjaStatement body)
{
    private readonly HashSet<string> _notForKwargs = [.. parameters.Select(parameter => parameter.Name), "caller"];

    public string Name { get; } = name;

    /// <summary>The function, closed over the scope in which it is defined.</summary>
    public CallableValue Bind(JinjaScope scope) => new(Name, (run, arguments) =>
    {
        var inner = new JinjaScope(scope);
        return run.CallMacro(inner, inside =>
        {
            Bind(inside, inner, arguments);
            return body.Execute(inside);
        });
    });

    private void Bind(JinjaRun run, JinjaScope scope, JinjaArguments arguments)
    {
        run.Charge(parameters.Count + arguments.Positional.Count + arguments.Named.Count);
        for (var i = 0; i < parameters.Count; i++)
        {
            var (name, defaultValue) = parameters[i];
            scope.Set(name, arguments.Get(i, name) ?? defaultValue?.Evaluate(run) ?? new UndefinedValue($"parameter '{name}' was not provided"));
        }

        var mapping = MappingValue.Empty();
        foreach (var (name, value) in arguments.Named)
            if (!_notForKwargs.Contains(name)) mapping[arguments.NameText(name)] = value;
        scope.Set("varargs", run.List([.. arguments.Positional.Skip(parameters.Count)], isTuple: true));
        scope.Set("kwargs", run.Mapping(mapping));
        if (arguments.Named.TryGetValue("caller", out var caller)) scope.Set("caller", caller);
    }
}

internal sealed class MacroStatement(int position, MacroDefinition macro) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        run.Scope.Set(macro.Name, macro.Bind(run.Scope));
        return JinjaFlow.Next;
    }
}

/// <summary><c>{% call f() %}…{% endcall %}</c>: the block is the function <c>caller</c> of the macro.</summary>
internal sealed class CallStatement(int position, CallExpression call, MacroDefinition caller) : JinjaStatement(position)
{
    protected override JinjaFlow Perform(JinjaRun run)
    {
        run.Write(PythonText.Of(run, call.Call(run, caller.Bind(run.Scope))));
        return JinjaFlow.Next;
    }
}

/// <summary>What statements that assign have in common.</summary>
internal static class JinjaAssignment
{
    public static void Assign(JinjaRun run, JinjaExpression target, JinjaValue value)
    {
        run.Charge(1);
        switch (target)
        {
            case NameExpression name:
                run.Scope.Set(name.Name, value);
                break;
            case MemberExpression member:
                if (member.Target.Evaluate(run) is not NamespaceValue space) throw run.Fail("attributes can be set on namespaces only");
                space.Attributes[member.Name] = value;
                break;
            case ListExpression list:
                var items = JinjaSequences.Items(run, value);
                if (items.Count != list.Items.Count) throw run.Fail($"expected {list.Items.Count} values to unpack, found {items.Count}");
                for (var i = 0; i < items.Count; i++) Assign(run, list.Items[i], items[i]);
                break;
        }
    }

    public static JinjaValue Filtered(JinjaRun run, IReadOnlyList<FilterExpression> filters, JinjaStatement body)
    {
        JinjaValue value = run.Capture(body.Execute);
        foreach (var filter in filters) value = filter.Apply(run, value);
        return value;
    }
}

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>What may stand after <c>is</c>.</summary>
internal static class JinjaTests
{
    public delegate bool Test(JinjaRun run, JinjaValue value, JinjaArguments arguments);

    private static readonly Dictionary<string, Test> All = new(StringComparer.Ordinal)
    {
        ["defined"] = (_, value, _) => value is not UndefinedValue,
        ["undefined"] = (_, value, _) => value is UndefinedValue,
        ["none"] = (_, value, _) => value is NoneValue,
        ["boolean"] = (_, value, _) => value is BooleanValue,
        ["true"] = (_, value, _) => value is BooleanValue { Value: true },
        ["false"] = (_, value, _) => value is BooleanValue { Value: false },
        ["integer"] = (_, value, _) => value is IntegerValue,
        ["float"] = (_, value, _) => value is FloatValue,
        ["number"] = (_, value, _) => value is IntegerValue or FloatValue or BooleanValue,
        ["string"] = (_, value, _) => value is TextValue,
        ["mapping"] = (_, value, _) => value is MappingValue or ArgumentsValue,
        ["iterable"] = (_, value, _) => value is TextValue or ListValue or MappingValue or UndefinedValue,
        ["sequence"] = (_, value, _) => value is TextValue or ListValue or MappingValue or UndefinedValue,
        ["callable"] = (_, value, _) => value is CallableValue,
        ["odd"] = (run, value, _) => IsRemainder(run, value, new IntegerValue(2), 1),
        ["even"] = (run, value, _) => IsRemainder(run, value, new IntegerValue(2), 0),
        ["divisibleby"] = (run, value, arguments) => IsRemainder(run, value, JinjaMembers.Required(run, arguments, 0, "num"), 0),
        ["upper"] = (run, value, _) => TextMethods.IsUpper(run, PythonText.Of(run, value)),
        ["lower"] = (run, value, _) => TextMethods.IsLower(run, PythonText.Of(run, value)),
        ["sameas"] = (run, value, arguments) => JinjaMembers.Required(run, arguments, 0, "other") is var other && (ReferenceEquals(value, other)
            || (value.GetType() == other.GetType() && value is not (ListValue or MappingValue) && JinjaOperators.AreEqual(run, value, other))),
        ["equalto"] = Comparison("=="),
        ["eq"] = Comparison("=="),
        ["ne"] = Comparison("!="),
        ["gt"] = Comparison(">"),
        ["greaterthan"] = Comparison(">"),
        ["ge"] = Comparison(">="),
        ["lt"] = Comparison("<"),
        ["lessthan"] = Comparison("<"),
        ["le"] = Comparison("<="),
        ["in"] = Comparison("in"),
    };

    public static Test? Find(string name) => All.GetValueOrDefault(name);

    private static Test Comparison(string name) =>
        (run, value, arguments) => JinjaOperators.Compare(run, name, value, JinjaMembers.Required(run, arguments, 0, "other"));

    private static bool IsRemainder(JinjaRun run, JinjaValue value, JinjaValue by, long remainder) =>
        JinjaOperators.AreEqual(run, JinjaOperators.Binary(run, "%", value, by), new IntegerValue(remainder));
}

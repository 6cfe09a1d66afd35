using System.Text;

namespace Hadal.Checkpoints.Text.Jinja;

internal sealed partial class JinjaParser
{
    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];

    /// <summary>An expression, or several with commas, which make a tuple.</summary>
    private JinjaExpression ParseTuple(bool withConditional = true, bool inParentheses = false)
    {
        var begin = Current.Position;
        var items = new List<JinjaExpression>();
        var isTuple = false;
        while (true)
        {
            if (items.Count > 0) ExpectOperator(",");
            if (IsTupleEnd()) break;
            items.Add(withConditional ? ParseExpression() : ParseOr());
            if (!IsOperator(",")) break;
            isTuple = true;
        }

        if (items.Count == 0 && !inParentheses) throw Unexpected("an expression");
        return isTuple || items.Count == 0 ? new ListExpression(begin, items, true) : items[0];
    }

    private bool IsTupleEnd() => Current.Kind is TokenKind.TagEnd or TokenKind.PrintEnd or TokenKind.End || IsOperator(")");

    private JinjaExpression ParseExpression()
    {
        Enter();
        var begin = Current.Position;
        var value = ParseOr();
        while (SkipName("if"))
        {
            var test = ParseOr();
            value = new ConditionalExpression(begin, test, value, SkipName("else") ? ParseExpression() : null);
        }

        Leave();
        return value;
    }

    private JinjaExpression ParseOr()
    {
        var left = ParseAnd();
        for (var position = Current.Position; SkipName("or"); position = Current.Position) left = new OrExpression(position, left, ParseAnd());
        return left;
    }

    private JinjaExpression ParseAnd()
    {
        var left = ParseNot();
        for (var position = Current.Position; SkipName("and"); position = Current.Position) left = new AndExpression(position, left, ParseNot());
        return left;
    }

    private JinjaExpression ParseNot()
    {
        var position = Current.Position;
        if (!SkipName("not")) return ParseCompare();
        Enter();
        var operand = ParseNot();
        Leave();
        return new NotExpression(position, operand);
    }

    private JinjaExpression ParseCompare()
    {
        var first = ParseSum();
        var position = Current.Position;
        var rest = new List<(string, JinjaExpression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && Comparisons.Contains(Current.Value)) rest.Add((Next().Value, ParseSum()));
            else if (SkipName("in")) rest.Add(("in", ParseSum()));
            else if (IsName("not") && _tokens[_at + 1] is { Kind: TokenKind.Name, Value: "in" })
            {
                _at += 2;
                rest.Add(("not in", ParseSum()));
            }
            else return rest.Count == 0 ? first : new CompareExpression(position, first, rest);
        }
    }

    private JinjaExpression ParseSum() => ParseLeftToRight(["+", "-"], ParseConcatenation);

    private JinjaExpression ParseConcatenation() => ParseLeftToRight(["~"], ParseProduct);

    private JinjaExpression ParseProduct() => ParseLeftToRight(["*", "/", "//", "%"], ParsePower);

    private JinjaExpression ParsePower() => ParseLeftToRight(["**"], () => ParseUnary(withFilters: true));

    private JinjaExpression ParseLeftToRight(string[] names, Func<JinjaExpression> operand)
    {
        var left = operand();
        while (Current.Kind == TokenKind.Operator && names.Contains(Current.Value))
        {
            var name = Next();
            left = new BinaryExpression(name.Position, name.Value, left, operand());
        }

        return left;
    }

    private JinjaExpression ParseUnary(bool withFilters)
    {
        Enter();
        var position = Current.Position;
        JinjaExpression value;
        if (SkipOperator("-")) value = new SignExpression(position, ParseUnary(false), isNegative: true);
        else if (SkipOperator("+")) value = new SignExpression(position, ParseUnary(false), isNegative: false);
        else value = ParsePrimary();
        value = ParsePostfix(value);
        if (withFilters) value = ParseFiltersAndTests(value);
        Leave();
        return value;
    }

    private JinjaExpression ParsePrimary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                Next();
                return JinjaConstants.Named(token.Value) is { } constant ? new ConstantExpression(token.Position, constant) : new NameExpression(token.Position, token.Value);
            case TokenKind.String:
                return new ConstantExpression(token.Position, TextValue.Trusted(ParseTexts()));
            case TokenKind.Integer or TokenKind.Float:
                return new ConstantExpression(token.Position, JinjaConstants.Number(Next()));
        }

        if (SkipOperator("("))
        {
            var inner = ParseTuple(inParentheses: true);
            ExpectOperator(")");
            return inner;
        }

        if (SkipOperator("[")) return ParseList(token.Position);
        return SkipOperator("{") ? ParseMapping(token.Position) : throw Unexpected("an expression");
    }

    /// <summary>Neighbouring texts are one.</summary>
    private string ParseTexts()
    {
        var text = new StringBuilder();
        while (Current.Kind == TokenKind.String) text.Append(Next().Value);
        return text.ToString();
    }

    private ListExpression ParseList(int position)
    {
        var items = new List<JinjaExpression>();
        while (!SkipOperator("]"))
        {
            if (items.Count > 0) ExpectOperator(",");
            if (SkipOperator("]")) break;
            items.Add(ParseExpression());
        }

        return new ListExpression(position, items, false);
    }

    private MappingExpression ParseMapping(int position)
    {
        var items = new List<(JinjaExpression, JinjaExpression)>();
        while (!SkipOperator("}"))
        {
            if (items.Count > 0) ExpectOperator(",");
            if (SkipOperator("}")) break;
            var key = ParseExpression();
            ExpectOperator(":");
            items.Add((key, ParseExpression()));
        }

        return new MappingExpression(position, items);
    }

    private JinjaExpression ParsePostfix(JinjaExpression value)
    {
        while (true)
        {
            var position = Current.Position;
            if (SkipOperator("."))
            {
                value = Current.Kind == TokenKind.Integer
                    ? new SubscriptExpression(position, value, new ConstantExpression(position, JinjaConstants.Number(Next())))
                    : new MemberExpression(position, value, ExpectAnyName().Value);
            }
            else if (SkipOperator("[")) value = ParseSubscript(position, value);
            else if (IsOperator("(")) value = new CallExpression(position, value, ParseArguments());
            else return value;
        }
    }

    private JinjaExpression ParseSubscript(int position, JinjaExpression target)
    {
        var parts = new JinjaExpression?[3];
        var colons = 0;
        while (true)
        {
            if (SkipOperator(":"))
            {
                if (++colons > 2) throw Fail("a slice has at most two colons");
            }
            else if (SkipOperator("]")) break;
            else if (parts[colons] is not null) throw Unexpected("']'");
            else parts[colons] = ParseExpression();
        }

        if (colons > 0) return new SliceExpression(position, target, parts[0], parts[1], parts[2]);
        return new SubscriptExpression(position, target, parts[0] ?? throw Fail("expected an index"));
    }

    private CallArguments ParseArguments()
    {
        ExpectOperator("(");
        var positional = new List<JinjaExpression>();
        var named = new List<(string, JinjaExpression)>();
        var isFirst = true;
        while (!SkipOperator(")"))
        {
            if (!isFirst) ExpectOperator(",");
            isFirst = false;
            if (SkipOperator(")")) break;
            if (SkipOperator("*")) positional.Add(new SpreadExpression(Current.Position, ParseExpression()));
            else if (SkipOperator("**")) named.Add(("", ParseExpression()));
            else if (Current.Kind == TokenKind.Name && _tokens[_at + 1] is { Kind: TokenKind.Operator, Value: "=" })
            {
                var name = Next().Value;
                Next();
                named.Add((name, ParseExpression()));
            }
            else if (named.Count > 0) throw Fail("a positional argument stands after a named one");
            else positional.Add(ParseExpression());
        }

        return positional.Count == 0 && named.Count == 0 ? CallArguments.None : new CallArguments(positional, named);
    }

    private JinjaExpression ParseFiltersAndTests(JinjaExpression value)
    {
        while (true)
        {
            var position = Current.Position;
            if (SkipOperator("|")) value = ParseFilter(value);
            else if (SkipName("is")) value = ParseTest(position, value);
            else if (IsOperator("(")) value = new CallExpression(position, value, ParseArguments());
            else return value;
        }
    }

    private List<FilterExpression> ParseFilters()
    {
        var filters = new List<FilterExpression>();
        while (SkipOperator("|")) filters.Add(ParseFilter(null));
        return filters;
    }

    private FilterExpression ParseFilter(JinjaExpression? target)
    {
        var name = ExpectAnyName();
        var filter = JinjaFilters.Find(name.Value) ?? throw Fail($"no filter named '{Shown(name.Value)}'", name.Position);
        return new FilterExpression(name.Position, target, filter, IsOperator("(") ? ParseArguments() : CallArguments.None);
    }

    private JinjaExpression ParseTest(int position, JinjaExpression target)
    {
        var isNegated = SkipName("not");
        var name = ExpectAnyName();
        var test = JinjaTests.Find(name.Value) ?? throw Fail($"no test named '{Shown(name.Value)}'", name.Position);
        var arguments = CallArguments.None;
        if (IsOperator("(")) arguments = ParseArguments();
        else if (StartsTestArgument()) arguments = new CallArguments([ParsePostfix(ParsePrimary())], []);
        JinjaExpression value = new TestExpression(position, target, test, arguments);
        return isNegated ? new NotExpression(position, value) : value;
    }

    private bool StartsTestArgument()
    {
        if (Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || IsOperator("[") || IsOperator("{")) return true;
        if (IsName("is")) throw Fail("tests cannot be chained with 'is'");
        return Current.Kind == TokenKind.Name && Current.Value is not ("else" or "or" or "and" or "if" or "in" or "not" or "recursive");
    }
}

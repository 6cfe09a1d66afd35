namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Turns tokens into statements, with the grammar and precedences of Jinja 3 (pallets/jinja <c>parser.py</c>).</summary>
internal sealed partial class JinjaParser
{
    private static readonly string[] Unsupported = ["include", "import", "from", "extends", "block", "trans", "do", "debug", "autoescape"];

    private readonly string _source;
    private readonly List<JinjaToken> _tokens;
    private readonly int _maxDepth;
    private int _at;
    private int _depth;
    private int _loopDepth;

    private JinjaParser(string source, int maxDepth)
    {
        _source = source;
        _tokens = JinjaLexer.Tokenize(source);
        _maxDepth = maxDepth;
    }

    private JinjaToken Current => _tokens[_at];

    /// <summary>Parses a normalised source.</summary>
    /// <exception cref="ChatTemplateException">It is not a template.</exception>
    public static JinjaStatement Parse(string source, int maxDepth)
    {
        var parser = new JinjaParser(source, maxDepth);
        var block = parser.ParseBlock([], 0);
        if (parser.Current.Kind != TokenKind.End) throw parser.Fail("unexpected end of a block");
        return block;
    }

    /// <summary>Statements up to a tag whose name is one of <paramref name="ends"/>; the tag's name is then current.</summary>
    private BlockStatement ParseBlock(string[] ends, int begin)
    {
        Enter();
        var statements = new List<JinjaStatement>();
        while (Current.Kind != TokenKind.End)
        {
            var token = Next();
            if (token.Kind == TokenKind.Text) statements.Add(new TextStatement(token.Position, token.Value));
            else if (token.Kind == TokenKind.PrintBegin)
            {
                var expression = ParseTuple();
                if (Current.Kind != TokenKind.PrintEnd) throw Unexpected("'}}'");
                Next();
                statements.Add(new PrintStatement(token.Position, expression));
            }
            else
            {
                if (Current.Kind != TokenKind.Name) throw Unexpected("a tag name");
                if (ends.Contains(Current.Value)) break;
                statements.Add(ParseTag(token.Position));
            }
        }

        if (Current.Kind == TokenKind.End && ends.Length > 0)
            throw JinjaLexer.Fault(_source, ChatTemplateFault.Syntax, $"the block has no '{ends[^1]}'", begin);
        Leave();
        return new BlockStatement(begin, statements);
    }

    private JinjaStatement ParseTag(int position)
    {
        var name = Next();
        switch (name.Value)
        {
            case "if": return ParseIf(position);
            case "for": return ParseFor(position);
            case "set": return ParseSet(position);
            case "macro": return ParseMacro(position);
            case "call": return ParseCall(position);
            case "filter": return ParseFilterBlock(position);
            case "with": return ParseWith(position);
            case "generation": return ParseBodyOf("endgeneration", position);
            case "break" or "continue":
                if (_loopDepth == 0) throw Fail($"'{name.Value}' outside a loop", name.Position);
                EndTag();
                return new FlowStatement(position, name.Value == "break" ? JinjaFlow.Break : JinjaFlow.Continue);
            case var other when Unsupported.Contains(other): throw Fail($"the tag '{other}' is not supported in chat templates", name.Position);
            default: throw Fail($"unknown tag '{Shown(name.Value)}'", name.Position);
        }
    }

    private IfStatement ParseIf(int position)
    {
        var branches = new List<(JinjaExpression, JinjaStatement)>();
        JinjaStatement? otherwise = null;
        while (true)
        {
            var test = ParseTuple(withConditional: false);
            EndTag();
            branches.Add((test, ParseBlock(["elif", "else", "endif"], position)));
            var end = Next();
            if (end.Value == "elif") continue;
            if (end.Value == "else")
            {
                EndTag();
                otherwise = ParseBlock(["endif"], position);
                Next();
            }

            EndTag();
            return new IfStatement(position, branches, otherwise);
        }
    }

    private ForStatement ParseFor(int position)
    {
        var target = ParseTarget(allowMember: false);
        ExpectName("in");
        var source = ParseTuple(withConditional: false);
        JinjaExpression? filter = null;
        if (SkipName("if")) filter = ParseExpression();
        if (IsName("recursive")) throw Fail("recursive loops are not supported in chat templates");
        EndTag();
        _loopDepth++;
        var body = ParseBlock(["else", "endfor"], position);
        _loopDepth--;
        JinjaStatement? otherwise = null;
        if (Next().Value == "else")
        {
            EndTag();
            otherwise = ParseBlock(["endfor"], position);
            Next();
        }

        EndTag();
        return new ForStatement(position, target, source, filter, body, otherwise, _loopDepth);
    }

    private JinjaStatement ParseSet(int position)
    {
        var target = ParseTarget(allowMember: true);
        if (SkipOperator("="))
        {
            var value = ParseTuple();
            EndTag();
            return new SetStatement(position, target, value);
        }

        var filters = ParseFilters();
        EndTag();
        var body = ParseBlock(["endset"], position);
        Next();
        EndTag();
        return new SetBlockStatement(position, target, filters, body);
    }

    private MacroStatement ParseMacro(int position)
    {
        var name = ExpectAnyName();
        var macro = new MacroDefinition(name.Value, ParseParameters(), ParseBodyOf("endmacro", position));
        return new MacroStatement(position, macro);
    }

    private CallStatement ParseCall(int position)
    {
        var parameters = IsOperator("(") ? ParseParameters() : [];
        if (ParseExpression() is not CallExpression call) throw Fail("expected a call");
        return new CallStatement(position, call, new MacroDefinition("caller", parameters, ParseBodyOf("endcall", position)));
    }

    private FilterStatement ParseFilterBlock(int position)
    {
        var filters = new List<FilterExpression> { ParseFilter(null) };
        filters.AddRange(ParseFilters());
        return new FilterStatement(position, filters, ParseBodyOf("endfilter", position));
    }

    private WithStatement ParseWith(int position)
    {
        var variables = new List<(JinjaExpression, JinjaExpression)>();
        while (Current.Kind != TokenKind.TagEnd)
        {
            if (variables.Count > 0) ExpectOperator(",");
            var target = ParseTarget(allowMember: false, single: true);
            ExpectOperator("=");
            variables.Add((target, ParseExpression()));
        }

        return new WithStatement(position, variables, ParseBodyOf("endwith", position));
    }

    /// <summary>The end of the opening tag, the body, and the closing tag.</summary>
    private BlockStatement ParseBodyOf(string end, int position)
    {
        EndTag();
        var loops = _loopDepth;
        if (end is "endmacro" or "endcall") _loopDepth = 0;
        var body = ParseBlock([end], position);
        _loopDepth = loops;
        Next();
        EndTag();
        return body;
    }

    private List<(string Name, JinjaExpression? Default)> ParseParameters()
    {
        ExpectOperator("(");
        var parameters = new List<(string, JinjaExpression?)>();
        while (!SkipOperator(")"))
        {
            if (parameters.Count > 0) ExpectOperator(",");
            var name = ExpectAnyName().Value;
            parameters.Add((name, SkipOperator("=") ? ParseExpression() : null));
        }

        return parameters;
    }

    private JinjaExpression ParseTarget(bool allowMember, bool single = false)
    {
        var begin = Current.Position;
        var targets = new List<JinjaExpression>();
        var isTuple = false;
        do
        {
            if (isTuple && (IsOperator("=") || IsName("in"))) break;
            targets.Add(ParseOneTarget(allowMember));
            if (single) break;
            isTuple |= IsOperator(",");
        }
        while (SkipOperator(","));
        return isTuple ? new ListExpression(begin, targets, true) : targets[0];
    }

    private JinjaExpression ParseOneTarget(bool allowMember)
    {
        if (SkipOperator("("))
        {
            Enter();
            var inner = ParseTarget(allowMember: false);
            ExpectOperator(")");
            Leave();
            return inner;
        }

        var name = ExpectAnyName();
        if (JinjaConstants.Named(name.Value) is not null) throw Fail($"cannot assign to '{name.Value}'", name.Position);
        var variable = new NameExpression(name.Position, name.Value);
        return allowMember && SkipOperator(".") ? new MemberExpression(name.Position, variable, ExpectAnyName().Value) : variable;
    }

    private JinjaToken Next()
    {
        var token = _tokens[_at];
        if (token.Kind != TokenKind.End) _at++;
        return token;
    }

    private void EndTag()
    {
        if (Current.Kind != TokenKind.TagEnd) throw Unexpected("'%}'");
        Next();
    }

    private bool IsOperator(string value) => Current.Kind == TokenKind.Operator && Current.Value == value;

    private bool IsName(string value) => Current.Kind == TokenKind.Name && Current.Value == value;

    private bool SkipOperator(string value)
    {
        if (!IsOperator(value)) return false;
        _at++;
        return true;
    }

    private bool SkipName(string value)
    {
        if (!IsName(value)) return false;
        _at++;
        return true;
    }

    private void ExpectOperator(string value)
    {
        if (!SkipOperator(value)) throw Unexpected($"'{value}'");
    }

    private void ExpectName(string value)
    {
        if (!SkipName(value)) throw Unexpected($"'{value}'");
    }

    private JinjaToken ExpectAnyName() => Current.Kind == TokenKind.Name ? Next() : throw Unexpected("a name");

    private void Enter()
    {
        if (++_depth > _maxDepth) throw JinjaLexer.Fault(_source, ChatTemplateFault.Syntax, $"nested more than {_maxDepth} deep", Current.Position);
    }

    private void Leave() => _depth--;

    private ChatTemplateException Unexpected(string expected) => Fail($"expected {expected}, found {Current.Kind switch
    {
        TokenKind.Name or TokenKind.Operator or TokenKind.Integer or TokenKind.Float => $"'{Shown(Current.Value)}'",
        TokenKind.String => "a text",
        TokenKind.TagEnd => "'%}'",
        TokenKind.PrintEnd => "'}}'",
        TokenKind.End => "the end of the template",
        _ => "text",
    }}");

    private static string Shown(string value) => value.Length > 40 ? value[..40] + "…" : value;

    private ChatTemplateException Fail(string message, int? position = null) =>
        JinjaLexer.Fault(_source, ChatTemplateFault.Syntax, message, position ?? Current.Position);
}

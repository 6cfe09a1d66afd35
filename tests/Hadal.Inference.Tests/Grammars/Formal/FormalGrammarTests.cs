using System.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;

namespace Hadal.Inference.Tests.Grammars.Formal;

/// <summary>GBNF, Lark grammars, regular expressions and choices.</summary>
public class FormalGrammarTests
{
    private const string Gbnf = """
        # a small expression language
        root   ::= expr "=" ws term "\n"
        expr   ::= term ([-+*/] term)*
        term   ::= ident
                 | num | "(" ws expr ")" ws
        ident  ::= [a-z] [a-z0-9_]* ws
        num    ::= [0-9]{1,3} ws
        ws     ::= [ \t]*
        """;

    private const string Lark = """
        // a small expression language
        start: sum
        ?sum: product
            | sum "+" product   -> add
            | sum "-" product   -> sub
        ?product: atom | product ("*"|"/") atom
        ?atom: NUMBER | NAME | "(" sum ")" | "sqrt"i atom
        NAME: ("a".."z"|"_")+ DIGITS?
        DIGITS: /[0-9]{1,2}/
        %import common.NUMBER
        %import common.WS_INLINE
        %ignore WS_INLINE
        """;

    [Theory]
    [InlineData("a=1\n", true)]
    [InlineData("(a +b) *12 = x1\n", true)]
    [InlineData("a+b=1234\n", false)]
    [InlineData("a=1", false)]
    [InlineData("(a=1\n", false)]
    public void Gbnf_derives_what_its_rules_say(string text, bool isDerived) => Assert.Equal(isDerived, Accepts(GbnfGrammar.Compile(Gbnf), text));

    [Theory]
    [InlineData("root ::= \"\\x41\\u00e4\\U0001F600\\\"\\\\\\t\"", "Aä😀\"\\\t", "A")]
    [InlineData("root ::= [^a-c\\]\\-] .", "x\n", "ax")]
    [InlineData("root ::= \"a\"{2} \"b\"{,2} \"c\"{1,}", "aabc", "abc")]
    [InlineData("root ::= a*\na ::= \"x\" root \"y\" | \"z\"", "xzzyxy", "xzy y")]
    [InlineData("root ::= (\n  \"a\" # one\n  | \"b\"\n)+", "abba", "")]
    [InlineData("root ::= \"\" | \"a\"", "", "b")]
    public void Gbnf_knows_its_notation(string grammar, string derived, string notDerived)
    {
        Assert.True(Accepts(GbnfGrammar.Compile(grammar), derived));
        Assert.False(Accepts(GbnfGrammar.Compile(grammar), notDerived));
    }

    [Fact]
    public void Errors_show_control_characters_of_what_they_quote()
    {
        Assert.Equal("regular expression '(a\\n\\u001Bb', character 6: a group does not end", Assert.Throws<GrammarException>(() => PlainGrammars.FromRegex("(a\n\u001Bb")).Message);
        Assert.DoesNotContain('\n', Assert.Throws<GrammarException>(() => GbnfGrammar.Compile("root ::= [^\\\nx]")).Message);
    }

    [Theory]
    [InlineData("root ::= \"x\"\n | a", "line 2, column 4: uses the rule 'a'")]
    [InlineData("a ::= \"x\"", "no rule 'root'")]
    [InlineData("root ::= \"a", "line 1")]
    [InlineData("root ::= (\"a\"", "does not end")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "defined twice")]
    [InlineData("root ::= root \"a\"", "derives no text")]
    [InlineData("root = \"a\"", "expected a rule")]
    [InlineData("root ::= \"a\" $", "line 1, column 14")]
    [InlineData("root ::= [b-a]", "out of order")]
    [InlineData("root ::= \"a\"{3,2}", "with n up to m")]
    public void Faults_of_gbnf_are_named(string grammar, string expected) =>
        Assert.Contains(expected, Assert.Throws<GrammarException>(() => GbnfGrammar.Compile(grammar)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("1 + 2*x", true)]
    [InlineData(" ( a1 - 3.5e2 ) / SQRT y ", true)]
    [InlineData("1 +", false)]
    [InlineData("a123", false)]
    [InlineData("1\n+2", false)]
    public void Lark_derives_what_its_rules_say(string text, bool isDerived) => Assert.Equal(isDerived, Accepts(LarkGrammar.Compile(Lark), text));

    [Fact]
    public void Lark_holds_a_json_schema()
    {
        var grammar = LarkGrammar.Compile("start: \"<call>\" %json {\"type\": \"object\", \"properties\": {\"a}\": {\"type\": \"integer\"}}, \"additionalProperties\": false} \"</call>\" %json {\"const\": 1}");
        Assert.True(Accepts(grammar, "<call>{\"a}\": 5}</call>1"));
        Assert.False(Accepts(grammar, "<call>{\"b\": 5}</call>1"));

        // A model that may write 5.0000… finds no end.
        Assert.False(Accepts(grammar, "<call>{\"a}\": 5.0}</call>1"));
    }

    [Theory]
    [InlineData("start: \"x\"\n | A", "line 2, column 4: uses the terminal 'A'")]
    [InlineData("start: b\nb: a", "Lark grammar, line 2, column 4: uses the rule 'a'")]
    [InlineData("start: \"x\"\n  | /(?<=a)b/", "Lark grammar, line 2, column 6: regular expression '(?<=a)b'")]
    [InlineData("start: \"x\"\n%json {}", "line 2")]
    [InlineData("start: \"x\"\n | %json {\"uniqueItems\":true}", "Lark grammar, line 2, column 10: JSON Schema, #/uniqueItems")]
    [InlineData("start: \"x\"\nstart: \"y\"", "line 2, column 1: the rule 'start' is defined twice")]
    [InlineData("start: A\nA: B\nB: A", "line 3, column 4: the terminal 'A' refers to itself")]
    [InlineData("a: \"x\"", "expected a rule 'start'")]
    [InlineData("start: \"a\n\"", "does not end in its line")]
    [InlineData("start: /a/m", "flags 'm'")]
    [InlineData("%declare X\nstart: X", "'%declare' is not supported")]
    [InlineData("%import other.X\nstart: X", "from 'common' only")]
    [InlineData("start: f{x}\nf{x}: x", "templates such as 'f{…}' are not supported")]
    [InlineData("_list{item}: item (\",\" item)*\nstart: _list{/a/}", "templates such as '_list{…}' are not supported")]
    [InlineData("start: (\"a\"", "does not end")]
    public void Faults_of_lark_are_named(string grammar, string expected) =>
        Assert.Contains(expected, Assert.Throws<GrammarException>(() => LarkGrammar.Compile(grammar)).Message, StringComparison.Ordinal);

    [Fact]
    public void Nested_groups_without_end_are_refused()
    {
        Assert.Throws<GrammarException>(() => GbnfGrammar.Compile("root ::= " + new string('(', 100_000)));
        Assert.Throws<GrammarException>(() => LarkGrammar.Compile("start: " + new string('(', 100_000)));
    }

    [Fact]
    public void A_regular_expression_matches_the_whole_text()
    {
        var grammar = PlainGrammars.FromRegex("[A-Z]{2}-\\d+");
        Assert.True(Accepts(grammar, "AB-12"));
        Assert.False(Accepts(grammar, "xAB-12"));
        Assert.Contains("derives no text", Assert.Throws<GrammarException>(() => PlainGrammars.FromRegex("a^")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_choice_is_one_of_its_texts()
    {
        var grammar = PlainGrammars.FromChoices(["ja", "jawohl", "nein", "ja"]);
        foreach (var text in (string[])["ja", "jawohl", "nein"]) Assert.True(Accepts(grammar, text));
        foreach (var text in (string[])["", "j", "jaw", "neinja"]) Assert.False(Accepts(grammar, text));
        Assert.Throws<GrammarException>(() => PlainGrammars.FromChoices([]));
    }

    private static bool Accepts(Grammar grammar, string text) => new ByteAcceptor(grammar).Accepts(Encoding.UTF8.GetBytes(text));
}

using CsCheck;

namespace Hadal.Cli.Tests;

public sealed class LineEditorTests
{
    [Fact]
    public void Typed_text_is_the_prompt() => Assert.Equal((LineEnd.Entered, "Guten Tag, 世界 👩‍🚀"), Read(Keys.Typed("Guten Tag, 世界 👩‍🚀\n")));

    [Fact]
    public void The_cursor_moves_by_characters_that_people_see()
    {
        Assert.Equal("a👩‍🚀xb", Read([.. Keys.Typed("a👩‍🚀b"), Keys.Of(ConsoleKey.LeftArrow), .. Keys.Typed("x"), Keys.Enter]).Text);
        Assert.Equal("xa👩‍🚀b", Read([.. Keys.Typed("a👩‍🚀b"), Keys.Of(ConsoleKey.LeftArrow), Keys.Of(ConsoleKey.LeftArrow), Keys.Of(ConsoleKey.LeftArrow), Keys.Of(ConsoleKey.LeftArrow), .. Keys.Typed("x"), Keys.Enter]).Text);
        Assert.Equal("ab", Read([.. Keys.Typed("a👩‍🚀b"), Keys.Of(ConsoleKey.LeftArrow), Keys.Of(ConsoleKey.Backspace), Keys.Enter]).Text);
        Assert.Equal("bx", Read([.. Keys.Typed("éb"), Keys.Of(ConsoleKey.Home), Keys.Of(ConsoleKey.Delete), Keys.Of(ConsoleKey.End), .. Keys.Typed("x"), Keys.Enter]).Text);
    }

    [Theory]
    [InlineData('a', "xone two three")]
    [InlineData('e', "one two threex")]
    [InlineData('w', "one two x")]
    [InlineData('u', "x")]
    [InlineData('b', "one two threxe")]
    [InlineData('h', "one two threx")]
    public void Control_keys_do_what_shells_do(char letter, string expected) =>
        Assert.Equal(expected, Read([.. Keys.Typed("one two three"), Keys.Control(letter), .. Keys.Typed("x"), Keys.Enter]).Text);

    [Fact]
    public void Control_k_cuts_the_rest_of_the_line() =>
        Assert.Equal("a\nc", Read([.. Keys.Pasted("ab\nc"), Keys.Of(ConsoleKey.UpArrow), Keys.Control('k'), Keys.Enter]).Text);

    [Fact]
    public void A_paste_with_line_ends_is_one_prompt()
    {
        Assert.Equal("first\n\tsecond\nthird.", Read([.. Keys.Pasted("first\n\tsecond\nthird"), .. Keys.Typed(".\n")]).Text);
        Assert.Equal("say [201~ twice", Read([.. Keys.Typed("say  twice"), .. Enumerable.Repeat(Keys.Of(ConsoleKey.LeftArrow), 6), .. Keys.Pasted("[201~"), Keys.Enter]).Text);
    }

    [Fact]
    public void A_backslash_quotes_and_alt_enter_let_a_prompt_go_on()
    {
        Assert.Equal("one\ntwo", Read(Keys.Typed("one\\\ntwo\n")).Text);
        Assert.Equal("one\n\ntwo", Read(Keys.Typed("\"\"\"\none\n\ntwo\n\"\"\"\n")).Text);
        Assert.Equal("one\ntwo", Read([.. Keys.Typed("one"), Keys.AltEnter, .. Keys.Typed("two\n")]).Text);
    }

    [Fact]
    public void Up_and_down_go_through_lines_and_then_through_history()
    {
        var history = History("first", "second\nwith two lines");
        Assert.Equal("second\nwith two lines", Read([Keys.Of(ConsoleKey.UpArrow), Keys.Enter], history).Text);
        Assert.Equal("xfirst", Read([Keys.Of(ConsoleKey.UpArrow), Keys.Of(ConsoleKey.UpArrow), Keys.Of(ConsoleKey.UpArrow), Keys.Of(ConsoleKey.Home), .. Keys.Typed("x\n")], history).Text);
        var draft = Keys.Typed("draft").Append(Keys.Of(ConsoleKey.UpArrow)).Append(Keys.Of(ConsoleKey.DownArrow)).Append(Keys.Enter);
        Assert.Equal("draft", Read(draft, History("first")).Text);
        Assert.Equal("axb\ncd", Read([.. Keys.Pasted("ab\ncd"), Keys.Of(ConsoleKey.LeftArrow), Keys.Of(ConsoleKey.UpArrow), .. Keys.Typed("x\n")], history).Text);
        Assert.Equal("ab\ncxd", Read([.. Keys.Pasted("ab\ncd"), Keys.Of(ConsoleKey.LeftArrow), Keys.Of(ConsoleKey.UpArrow), Keys.Of(ConsoleKey.DownArrow), .. Keys.Typed("x\n")], history).Text);
    }

    [Fact]
    public void What_was_entered_is_the_newest_history()
    {
        var history = History();
        Read(Keys.Typed("hello\n"), history);
        Assert.Equal("hello", Read([Keys.Of(ConsoleKey.UpArrow), Keys.Enter], history).Text);
        Assert.Equal(["hello"], history.Prompts);
    }

    [Fact]
    public void Ctrl_C_clears_a_line_and_leaves_on_an_empty_one()
    {
        Assert.Equal((LineEnd.Entered, "kept"), Read([.. Keys.Typed("dropped"), Keys.Control('c'), .. Keys.Typed("kept\n")]));
        Assert.Equal((LineEnd.Interrupted, ""), Read([.. Keys.Typed("dropped"), Keys.Control('c'), Keys.Control('c')]));
    }

    [Fact]
    public void Ctrl_D_deletes_in_a_line_and_leaves_on_an_empty_one()
    {
        Assert.Equal((LineEnd.Entered, "b"), Read([.. Keys.Typed("ab"), Keys.Control('a'), Keys.Control('d'), Keys.Enter]));
        Assert.Equal((LineEnd.EndOfInput, ""), Read([Keys.Control('d')]));
    }

    [Fact]
    public void Escapes_that_are_no_paste_are_left_aside() => Assert.Equal("ab", Read(Keys.Typed("a\e[1;9Zb\n")).Text);

    /// <summary>The last drawing of a narrow terminal, played back by a small terminal, shows the text and the cursor where they belong.</summary>
    [Theory]
    [InlineData("short", 80, "> short", 0, 7)]
    [InlineData("abcdefghij", 10, "> abcdefg\nhij", 1, 3)]
    [InlineData("abcdefg", 10, "> abcdefg", 0, 9)]
    [InlineData("世界世界世", 10, "> 世界世\n界世", 1, 4)]
    [InlineData("one\ntwo", 20, "> one\n· two", 1, 5)]
    public void A_prompt_is_drawn_over_as_many_rows_as_it_needs(string text, int width, string screen, int row, int column)
    {
        using var written = new StringWriter();
        Read([.. Keys.Pasted(text), Keys.Of(ConsoleKey.Home), Keys.Of(ConsoleKey.End)], History(), written, width);
        var terminal = new SmallTerminal(width);
        terminal.Write(written.ToString());
        Assert.Equal(screen, terminal.Screen);
        Assert.Equal((row, column), terminal.Cursor);
    }

    [Fact]
    public void No_keys_break_the_drawing()
    {
        var special = new[] { ConsoleKey.LeftArrow, ConsoleKey.RightArrow, ConsoleKey.UpArrow, ConsoleKey.DownArrow, ConsoleKey.Home, ConsoleKey.End, ConsoleKey.Backspace, ConsoleKey.Delete }.Select(Keys.Of)
            .Concat("abefhknpuw".Select(Keys.Control)).Append(Keys.AltEnter).ToArray();
        var typed = "ab 世é\t".Select(unit => Keys.Typed(unit.ToString()).First()).ToArray();
        ConsoleKeyInfo[] all = [.. special, .. typed, .. typed];
        Gen.Select(Gen.Int[0, all.Length - 1].Array[0, 60], Gen.Int[12, 40]).Sample((indices, width) =>
        {
            var keys = indices.Select(index => all[index]);
            using var written = new StringWriter();
            Read(keys, History("old", "older\nstill"), written, width);
            var terminal = new SmallTerminal(width);
            terminal.Write(written.ToString());
            // A space that went to a row of its own leaves the cursor in a row that looks empty.
            return terminal.Screen.StartsWith('>') && terminal.Cursor.Row <= terminal.LastRow && terminal.Cursor.Column < width;
        }, iter: 300);
    }

    private static (LineEnd End, string Text) Read(IEnumerable<ConsoleKeyInfo> keys, PromptHistory? history = null)
    {
        var shell = new TestShell { IsTerminal = true, Keys = keys }.Shell(Stream.Null, Stream.Null, TextWriter.Null);
        return new LineEditor(shell, history ?? History()).Read();
    }

    /// <summary>Reads until the keys run out, for what is on the screen then.</summary>
    private static void Read(IEnumerable<ConsoleKeyInfo> keys, PromptHistory history, StringWriter written, int width)
    {
        var shell = new TestShell { IsTerminal = true, Keys = keys, Width = width }.Shell(Stream.Null, Stream.Null, written);
        Assert.Throws<InvalidOperationException>(() => new LineEditor(shell, history).Read());
    }

    private static PromptHistory History(params string[] prompts)
    {
        var history = PromptHistory.Open(new TestShell().Shell(Stream.Null, Stream.Null, TextWriter.Null));
        foreach (var prompt in prompts) history.Add(prompt);
        return history;
    }
}

using CsCheck;
using Hadal.Web.Text;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.JSInterop;

namespace Hadal.Web.Tests;

/// <summary>What a model writes becomes elements of the page, and never anything else.</summary>
public sealed class MarkdownTests
{
    [Theory]
    [InlineData("**b** *i* ~~d~~ `c`", "<p><strong>b</strong> <em>i</em> <del>d</del> <code>c</code></p>")]
    [InlineData("# one\n\n###### six\n\n## two", "<h2>one</h2><h3>six</h3><h3>two</h3>")]
    [InlineData("- a\n- b\n  - c", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>")]
    [InlineData("3. a\n4. b", "<ol start=\"3\"><li>a</li><li>b</li></ol>")]
    [InlineData("> a\n\n---", "<blockquote><p>a</p></blockquote><hr />")]
    [InlineData("| a | b |\n|---|---|\n| 1 | 2 |", "<div class=\"table\" tabindex=\"0\"><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table></div>")]
    [InlineData("[a](https://b.example/c?d=1&e) <x@y.example>", "<p><a href=\"https://b.example/c?d=1&amp;e\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">a</a> <a href=\"mailto:x@y.example\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x@y.example</a></p>")]
    [InlineData("a\nb", "<p>a<br />b</p>")]
    [InlineData("- [x] done", "<ul><li><span class=\"task\">&#x2611; </span> done</li></ul>")]
    [InlineData("&copy; &lt;", "<p>&#xA9; &lt;</p>")]
    public async Task Markdown_becomes_elements(string markdown, string html) => Assert.Equal(html, await RenderAsync(markdown));

    [Theory]
    [InlineData("<script>alert(1)</script>")]
    [InlineData("<img src=x onerror=alert(1)>")]
    [InlineData("a <b onclick=\"alert(1)\">b</b>")]
    [InlineData("<svg><a xlink:href=\"javascript:alert(1)\">x</a></svg>")]
    [InlineData("[a](javascript:alert(1))")]
    [InlineData("[a](JaVaScRiPt:alert(1))")]
    [InlineData("[a](data:text/html;base64,PHNjcmlwdD4=)")]
    [InlineData("[a](vbscript:x) [b](file:///etc/passwd) [c](//evil.example) [d](/v1/models)")]
    [InlineData("![a](https://evil.example/pixel.png)")]
    [InlineData("<javascript:alert(1)>")]
    [InlineData("```\"><script>alert(1)</script>\nx\n```")]
    [InlineData("$\\text{</math><script>alert(1)</script>}$")]
    [InlineData("$\\mathrm{<img src=x onerror=alert(1)>}$")]
    [InlineData("$$\\begin{<script>}x\\end{<script>}$$")]
    [InlineData("$\\<script>$ \\(<b>\\) $<i>$ $&lt;b&gt;$")]
    [InlineData("[a]: javascript:alert(1)\n\n[a]")]
    [InlineData("[x](https://a.example/\"onmouseover=\"alert(1))")]
    public async Task Hostile_text_becomes_no_markup_of_its_own(string markdown)
    {
        var html = await RenderAsync(markdown);
        Harmless.Check(html);
        Assert.DoesNotContain("<img", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("href=\"//", html, StringComparison.Ordinal);
        Assert.DoesNotContain("href=\"/", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_becomes_elements_of_the_list_only()
    {
        var parts = new[] { "<script>", "</script>", "<img src=x onerror=y>", "[a](", "javascript:", "https://x.example", ")", "`", "```", "\n", "\n\n", "$", "$$", "\\(", "\\)", "\\frac", "{", "}", "\\begin{matrix}", "&", "\\\\", "**", "*", "_", "^", "|", "-", "#", ">", "<", "\"", "'", "x", "1", "\u0000", "\ud800", "中" };
        Gen.Int[0, parts.Length - 1].Array[0, 24].Select(indices => string.Concat(indices.Select(index => parts[index]))).Sample(text => Harmless.Check(RenderAsync(text).GetAwaiter().GetResult()), iter: 1500, threads: 1);
    }

    [Theory]
    [InlineData('>')]
    [InlineData('[')]
    [InlineData('*')]
    [InlineData('`')]
    [InlineData('-')]
    public async Task Deep_and_long_texts_are_shown_in_time(char sign)
    {
        var html = await RenderAsync(string.Concat(Enumerable.Repeat(sign + " ", 20_000)));
        Assert.NotEmpty(html);
        Assert.StartsWith("<p class=\"plain\">", await RenderAsync(new string(sign, 400_001)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\\(a+b\\) and \\[c\\]", "$a+b$ and $$c$$")]
    [InlineData("`\\(a\\)` \\(b\\)", "`\\(a\\)` $b$")]
    [InlineData("```\n\\[a\\]\n```", "```\n\\[a\\]\n```")]
    [InlineData("```\n\\[a", "```\n\\[a")]
    [InlineData("\\\\(a\\)", "\\\\(a\\)")]
    [InlineData("\\(a", "\\(a")]
    [InlineData("\\(\\) \\(a\n\nb\\)", "\\(\\) \\(a\n\nb\\)")]
    public void Formulas_between_brackets_are_found_and_code_is_left_alone(string text, string expected) => Assert.Equal(expected, MathMarks.ToDollars(text));

    [Theory]
    [InlineData("csharp", "var x = \"a\\\"b\"; // c\nreturn 0x1F; /* d */", "Keyword:var|Plain: x = |Quoted:\"a\\\"b\"|Plain:; |Comment:// c|Plain:\n|Keyword:return|Plain: |Number:0x1F|Plain:; |Comment:/* d */")]
    [InlineData("python", "def f(): # it's\n    return 'x'", "Keyword:def|Plain: f(): |Comment:# it's|Plain:\n    |Keyword:return|Plain: |Quoted:'x'")]
    [InlineData("text", "return 1", "Plain:return 1")]
    [InlineData("go", "don't /* open", "Plain:don't |Comment:/* open")]
    public void Code_is_told_apart(string language, string code, string expected) => Assert.Equal(expected, string.Join('|', CodeColors.Split(code, language).Select(part => $"{part.Kind}:{part.Text}")));

    [Fact]
    public void The_pieces_of_code_are_the_code() =>
        Gen.String[Gen.Char["ab1\"'`/*#-\\\n _."], 0, 40].Sample(code => Assert.All(new[] { "cs", "py", "sql" }, language => Assert.Equal(code, string.Concat(CodeColors.Split(code, language).Select(part => part.Text)))));

    private static async Task<string> RenderAsync(string markdown)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IJSRuntime, NoBrowser>();
        services.AddSingleton<Browser>();
        services.AddSingleton<Settings>();
        await using var provider = services.BuildServiceProvider();
        await using var renderer = new HtmlRenderer(provider, NullLoggerFactory.Instance);
        return await renderer.Dispatcher.InvokeAsync(async () =>
            (await renderer.RenderComponentAsync<MarkdownView>(ParameterView.FromDictionary(new Dictionary<string, object?> { [nameof(MarkdownView.Text)] = markdown }))).ToHtmlString());
    }

    /// <summary>There is no browser; nothing that is drawn asks for one.</summary>
    private sealed class NoBrowser : IJSRuntime
    {
        public ValueTask<TValue> InvokeAsync<TValue>(string identifier, object?[]? args) => throw new InvalidOperationException(identifier);

        public ValueTask<TValue> InvokeAsync<TValue>(string identifier, CancellationToken cancellationToken, object?[]? args) => throw new InvalidOperationException(identifier);
    }
}

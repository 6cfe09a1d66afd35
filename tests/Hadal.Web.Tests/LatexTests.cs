using CsCheck;
using Hadal.Web.Text;

namespace Hadal.Web.Tests;

/// <summary>LaTeX as models write it becomes MathML; what is not understood is shown as it was written.</summary>
public sealed class LatexTests
{
    [Theory]
    [InlineData("x^2", "<msup><mi>x</mi><mrow><mn>2</mn></mrow></msup>")]
    [InlineData("a_{ij}", "<msub><mi>a</mi><mrow><mi>i</mi><mi>j</mi></mrow></msub>")]
    [InlineData("x_1^{n+1}", "<msubsup><mi>x</mi><mn>1</mn><mrow><mrow><mi>n</mi><mo>+</mo><mn>1</mn></mrow></mrow></msubsup>")]
    [InlineData("f''(x)", "<msup><mi>f</mi><mrow><mo>′′</mo></mrow></msup><mo stretchy=\"false\">(</mo><mi>x</mi><mo stretchy=\"false\">)</mo>")]
    [InlineData("\\frac{a}{b}", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>")]
    [InlineData("\\frac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>")]
    [InlineData("\\sqrt[3]{x}", "<mroot><mrow><mi>x</mi></mrow><mrow><mn>3</mn></mrow></mroot>")]
    [InlineData("\\alpha \\leq \\infty", "<mi>α</mi><mo>≤</mo><mi>∞</mi>")]
    [InlineData("\\sum_{i=1}^n i", "<munderover><mo movablelimits=\"true\">∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mrow><mi>n</mi></mrow></munderover><mi>i</mi>")]
    [InlineData("\\int_0^1", "<msubsup><mo>∫</mo><mn>0</mn><mrow><mn>1</mn></mrow></msubsup>")]
    [InlineData("\\mathbb{R}", "<mi>ℝ</mi>")]
    [InlineData("\\text{if } x < 3", "<mtext>if </mtext><mi>x</mi><mo>&lt;</mo><mn>3</mn>")]
    [InlineData("\\left( a \\rightarrow b \\right]", "<mrow><mo stretchy=\"true\" fence=\"true\">(</mo><mrow><mi>a</mi><mo>→</mo><mi>b</mi></mrow><mo stretchy=\"true\" fence=\"true\">]</mo></mrow>")]
    [InlineData("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "<mtr><mtd><mrow><mn>1</mn></mrow></mtd><mtd><mrow><mn>2</mn></mrow></mtd></mtr><mtr>", true)]
    [InlineData("\\begin{cases} 1 & x>0 \\\\ 0 & x \\le 0 \\\\ \\end{cases}", "<mtable class=\"left\" displaystyle=\"true\">", true)]
    [InlineData("\\hat{x} \\not= \\vec v", "<mover><mrow><mi>x</mi></mrow><mo stretchy=\"false\">^</mo></mover><mo>=\u0338</mo><mover><mi>v</mi><mo stretchy=\"false\">→</mo></mover>")]
    [InlineData("a &= b \\\\ &= c", "<mtable class=\"alternate\" displaystyle=\"true\">", true)]
    [InlineData("\\lim_{x \\to 0} \\sin x", "<munder><mo movablelimits=\"true\">lim</mo>", true)]
    [InlineData("1{,}000.5", "<mn>1</mn><mrow><mo>,</mo></mrow><mn>000.5</mn>")]
    [InlineData("e^{i\\pi}+1=0", "<msup><mi>e</mi><mrow><mrow><mi>i</mi><mi>π</mi></mrow></mrow></msup><mo>+</mo><mn>1</mn><mo>=</mo><mn>0</mn>")]
    public void A_formula_becomes_MathML(string latex, string expected, bool isPart = false)
    {
        var math = Latex.TryToMathMl(latex, isDisplay: false);
        Assert.NotNull(math);
        if (isPart) Assert.Contains(expected, math, StringComparison.Ordinal);
        else Assert.Equal($"<math><mrow>{expected}</mrow></math>", math);
        Harmless.Check(math);
    }

    [Theory]
    [InlineData("\\unknown{x}")]
    [InlineData("{")]
    [InlineData("}")]
    [InlineData("\\frac{1}")]
    [InlineData("\\left( x")]
    [InlineData("x^")]
    [InlineData("\\begin{tikzpicture}\\end{tikzpicture}")]
    [InlineData("\\begin{matrix} 1")]
    [InlineData("\\")]
    [InlineData("\\not")]
    [InlineData("\\mathbf{\\alpha}")]
    [InlineData("\\href{javascript:alert(1)}{x}")]
    [InlineData("#1")]
    public void What_is_not_understood_is_no_formula(string latex) => Assert.Null(Latex.TryToMathMl(latex, isDisplay: true));

    [Fact]
    public void Every_command_of_the_tables_is_drawn()
    {
        var names = LatexSymbols.Identifiers.Keys.Concat(LatexSymbols.Operators.Keys).Concat(LatexSymbols.Sums.Keys).Concat(LatexSymbols.Integrals.Keys).Concat(LatexSymbols.Functions).Concat(LatexSymbols.Limits)
            .Concat(LatexSymbols.Spaces.Keys).Concat(LatexSymbols.Silent.Except(["limits", "nolimits"])).Select(name => $"\\{name} x")
            .Concat(LatexSymbols.Accents.Keys.Concat(LatexSymbols.Below.Keys).Concat(LatexSymbols.Alphabets.Keys).Select(name => $"\\{name}{{aZ5}}"));
        Assert.All(names, latex => Harmless.Check(Latex.TryToMathMl(latex, isDisplay: true) ?? throw new InvalidOperationException(latex)));
    }

    [Fact]
    public void Any_text_is_harmless_MathML_or_none()
    {
        var parts = new[] { "\\frac", "\\left(", "\\right)", "\\begin{matrix}", "\\end{matrix}", "{", "}", "^", "_", "&", "\\\\", "<", ">", "\"", "'", "x", "1.5", " ", "\\sqrt", "[", "]", "\\text", "\\not", "\\sum", "\\mathbb", "\ud83d\ude00", "\ud800", "中", "\u0000", "#", "\\", "-" };
        Gen.Int[0, parts.Length - 1].Array[0, 20].Select(indices => string.Concat(indices.Select(index => parts[index]))).Sample(latex =>
        {
            if (Latex.TryToMathMl(latex, isDisplay: true) is { } math) Harmless.Check(math);
        });
    }

    [Theory]
    [InlineData("{")]
    [InlineData("\\sqrt{")]
    [InlineData("\\left(")]
    [InlineData("x^")]
    [InlineData("\\begin{matrix}")]
    [InlineData("\\hat")]
    public void Formulas_without_bottom_end(string part) => Assert.Null(Latex.TryToMathMl(string.Concat(Enumerable.Repeat(part, 9_000 / part.Length)), isDisplay: false));
}

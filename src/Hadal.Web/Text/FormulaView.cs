using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;

namespace Hadal.Web.Text;

/// <summary>Shows a formula as MathML, which browsers draw and screen readers read; what is not understood is shown as it was written.</summary>
public sealed class FormulaView : ComponentBase
{
    /// <summary>LaTeX without its dollar signs.</summary>
    [Parameter, EditorRequired]
    public string Formula { get; set; } = "";

    /// <summary>Whether it stands on a line of its own.</summary>
    [Parameter]
    public bool IsDisplay { get; set; }

    /// <inheritdoc/>
    protected override void BuildRenderTree(RenderTreeBuilder builder)
    {
        builder.OpenElement(0, "span");
        builder.AddAttribute(1, "class", IsDisplay ? "formula display" : "formula");
        if (Latex.TryToMathMl(Formula, IsDisplay) is { } math) builder.AddMarkupContent(2, math);
        else
        {
            builder.OpenElement(3, "code");
            builder.AddContent(4, Formula.Trim());
            builder.CloseElement();
        }

        builder.CloseElement();
    }
}

using System.Globalization;
using Markdig;
using Markdig.Extensions.Mathematics;
using Markdig.Extensions.Tables;
using Markdig.Extensions.TaskLists;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;

namespace Hadal.Web.Text;

/// <summary>Shows Markdown that a stranger wrote.</summary>
/// <remarks>The syntax tree becomes elements one by one, of a list that stands here; there is no step at which text could become markup. Links lead to the web or to a mailbox, pictures are links: nothing
/// is fetched because a model wrote it.</remarks>
public sealed class MarkdownView : ComponentBase
{
    /// <summary>Longer texts are shown as they are.</summary>
    private const int MaxLength = 400_000;

    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder()
        .UseMathematics().UsePipeTables().UseTaskLists().UseEmphasisExtras(Markdig.Extensions.EmphasisExtras.EmphasisExtraOptions.Strikethrough).UseAutoLinks().DisableHtml().Build();

    private RenderTreeBuilder _tree = null!;
    private int _sequence;
    private int _headingLevel;

    /// <summary>The Markdown.</summary>
    [Parameter, EditorRequired]
    public string Text { get; set; } = "";

    /// <inheritdoc/>
    protected override void BuildRenderTree(RenderTreeBuilder builder)
    {
        (_tree, _sequence, _headingLevel) = (builder, 0, 1);
        if (Parse() is not { } document)
        {
            Element("p", () => Add(Text), "plain");
            return;
        }

        foreach (var block in document) Write(block);
    }

    /// <summary>The syntax tree, or null for a text that has none of sensible size.</summary>
    private MarkdownDocument? Parse()
    {
        if (Text.Length > MaxLength) return null;
        try
        {
            return Markdown.Parse(MathMarks.ToDollars(Text), Pipeline);
        }
        catch (ArgumentException)
        {
            // Nested deeper than anybody would write.
            return null;
        }
    }

    private void Write(Block block)
    {
        switch (block)
        {
            case HeadingBlock heading:
                // Above them stands the page's own, and no level is left out on the way down: screen readers count them.
                _headingLevel = Math.Min(heading.Level + 1, Math.Min(_headingLevel + 1, 6));
                Element(string.Create(CultureInfo.InvariantCulture, $"h{_headingLevel}"), () => Write(heading.Inline));
                break;
            case ParagraphBlock paragraph:
                Element("p", () => Write(paragraph.Inline));
                break;
            case MathBlock math:
                Formula(math.Lines.ToString(), isDisplay: true);
                break;
            case CodeBlock code:
                Code(code.Lines.ToString(), (code as FencedCodeBlock)?.Info ?? "");
                break;
            case QuoteBlock quote:
                Element("blockquote", () => Write((ContainerBlock)quote));
                break;
            case ListBlock list:
                Write(list);
                break;
            case ThematicBreakBlock:
                Element("hr", null);
                break;
            case Table table:
                Write(table);
                break;
            case LinkReferenceDefinitionGroup:
                break;
            case ContainerBlock container:
                Write(container);
                break;
            case LeafBlock { Inline: { } inline }:
                Element("p", () => Write(inline));
                break;
            case LeafBlock leaf:
                Element("p", () => Add(leaf.Lines.ToString()));
                break;
            default:
                break;
        }
    }

    private void Write(ContainerBlock container)
    {
        foreach (var block in container) Write(block);
    }

    private void Write(ListBlock list)
    {
        _tree.OpenElement(_sequence++, list.IsOrdered ? "ol" : "ul");
        if (list.IsOrdered && int.TryParse(list.OrderedStart, NumberStyles.None, CultureInfo.InvariantCulture, out var start) && start != 1) _tree.AddAttribute(_sequence++, "start", start);
        foreach (var item in list.OfType<ListItemBlock>())
        {
            Element("li", () =>
            {
                foreach (var block in item)
                    if (!list.IsLoose && block is ParagraphBlock { Inline: { } inline }) Write(inline);
                    else Write(block);
            });
        }

        _tree.CloseElement();
    }

    private void Write(Table table)
    {
        // A wide table is scrolled by itself; then the keyboard must reach it.
        _tree.OpenElement(_sequence++, "div");
        _tree.AddAttribute(_sequence++, "class", "table");
        _tree.AddAttribute(_sequence++, "tabindex", 0);
        Element("table", () =>
        {
            foreach (var row in table.OfType<TableRow>())
            {
                Element("tr", () =>
                {
                    foreach (var cell in row.OfType<TableCell>()) Element(row.IsHeader ? "th" : "td", () => WriteCell(cell));
                });
            }
        });
        _tree.CloseElement();
    }

    private void WriteCell(TableCell cell)
    {
        foreach (var block in cell)
            if (block is ParagraphBlock { Inline: { } inline }) Write(inline);
            else Write(block);
    }

    private void Write(ContainerInline? container)
    {
        foreach (var inline in container ?? Enumerable.Empty<Inline>()) Write(inline);
    }

    private void Write(Inline inline)
    {
        switch (inline)
        {
            case LiteralInline literal:
                Add(literal.Content.ToString());
                break;
            case CodeInline code:
                Element("code", () => Add(code.Content));
                break;
            case MathInline math:
                Formula(math.Content.ToString(), isDisplay: math.DelimiterCount > 1);
                break;
            case EmphasisInline emphasis:
                Element(emphasis.DelimiterChar == '~' ? "del" : emphasis.DelimiterCount > 1 ? "strong" : "em", () => Write((ContainerInline)emphasis));
                break;
            case LinkInline link:
                Link(link.Url, () => Write((ContainerInline)link));
                break;
            case AutolinkInline link:
                Link(link.IsEmail ? "mailto:" + link.Url : link.Url, () => Add(link.Url));
                break;
            case LineBreakInline:
                Element("br", null);
                break;
            case TaskList task:
                Element("span", () => Add(task.Checked ? "☑ " : "☐ "), "task");
                break;
            case HtmlEntityInline entity:
                Add(entity.Transcoded.ToString());
                break;
            case ContainerInline container:
                Write(container);
                break;
            default:
                Add(inline.ToString() ?? "");
                break;
        }
    }

    /// <summary>A link where the address is one of the web or of a mailbox, else its text.</summary>
    private void Link(string? address, Action content)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https" or "mailto"))
        {
            content();
            return;
        }

        _tree.OpenElement(_sequence++, "a");
        _tree.AddAttribute(_sequence++, "href", uri.AbsoluteUri);
        _tree.AddAttribute(_sequence++, "target", "_blank");
        _tree.AddAttribute(_sequence++, "rel", "noopener noreferrer nofollow");
        content();
        _tree.CloseElement();
    }

    private void Code(string code, string language)
    {
        _tree.OpenComponent<CodeView>(_sequence++);
        _tree.AddComponentParameter(_sequence++, nameof(CodeView.Code), code);
        _tree.AddComponentParameter(_sequence++, nameof(CodeView.Language), language);
        _tree.CloseComponent();
    }

    private void Formula(string formula, bool isDisplay)
    {
        _tree.OpenComponent<FormulaView>(_sequence++);
        _tree.AddComponentParameter(_sequence++, nameof(FormulaView.Formula), formula);
        _tree.AddComponentParameter(_sequence++, nameof(FormulaView.IsDisplay), isDisplay);
        _tree.CloseComponent();
    }

    private void Element(string name, Action? content, string? style = null)
    {
        _tree.OpenElement(_sequence++, name);
        if (style is not null) _tree.AddAttribute(_sequence++, "class", style);
        content?.Invoke();
        _tree.CloseElement();
    }

    private void Add(string text) => _tree.AddContent(_sequence++, text);
}

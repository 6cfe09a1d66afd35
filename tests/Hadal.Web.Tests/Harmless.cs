using System.Text.RegularExpressions;

namespace Hadal.Web.Tests;

/// <summary>Holds markup to a list of elements and attributes; it shares nothing with what wrote the markup.</summary>
internal static partial class Harmless
{
    private static readonly HashSet<string> Elements =
    [
        "a", "blockquote", "br", "button", "code", "del", "div", "em", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "span", "strong", "table", "td", "th", "tr", "ul",
        "math", "mfrac", "mi", "mn", "mo", "mover", "mphantom", "mroot", "mrow", "mspace", "msqrt", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover",
    ];

    private static readonly HashSet<string> Attributes =
        ["class", "display", "displaystyle", "fence", "href", "linethickness", "mathvariant", "movablelimits", "rel", "start", "stretchy", "tabindex", "target", "type", "width"];

    /// <summary>Every tag is of the list, every attribute too, and every address is one of the web or of a mailbox.</summary>
    public static void Check(string html)
    {
        var at = 0;
        foreach (Match tag in Tag().Matches(html))
        {
            Assert.DoesNotContain('<', html[at..tag.Index]);
            at = tag.Index + tag.Length;
            Assert.Contains(tag.Groups["name"].Value, Elements);
            foreach (Capture attribute in tag.Groups["attribute"].Captures) Assert.Contains(attribute.Value, Attributes);
            foreach (Match address in Address().Matches(tag.Value)) Assert.Matches("^(https?://|mailto:)", address.Groups[1].Value);
        }

        Assert.DoesNotContain('<', html[at..]);
    }

    [GeneratedRegex("""</?(?<name>[a-z0-9]+)(?: (?<attribute>[a-z]+)(?:="[^"<>]*")?)* ?/?>""")]
    private static partial Regex Tag();

    [GeneratedRegex("href=\"([^\"]*)\"")]
    private static partial Regex Address();
}

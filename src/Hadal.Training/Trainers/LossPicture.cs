using System.Globalization;
using System.Security;
using System.Text;

namespace Hadal.Training.Trainers;

/// <summary>Draws the losses of a run as an SVG picture.</summary>
internal static class LossPicture
{
    private const int Width = 900, Height = 480, Left = 64, Right = 190, Top = 24, Bottom = 44;
    private static readonly string[] Colours = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a"];

    /// <summary>The picture of <paramref name="lines"/>; empty axes where there are fewer than two.</summary>
    public static string Draw(IReadOnlyList<StepMetrics> lines)
    {
        var curves = Curves(lines).Where(curve => curve.Points.Count > 1).ToList();
        var points = curves.SelectMany(curve => curve.Points).ToList();
        var (maxX, minY, maxY) = points.Count == 0 ? (1, 0, 1) : (points.Max(point => point.X), points.Min(point => point.Y), points.Max(point => point.Y));
        minY = Math.Floor(minY);
        maxY = Math.Max(minY + 1, Math.Ceiling(maxY));
        double X(double value) => Left + (value / Math.Max(1, maxX) * (Width - Left - Right));
        double Y(double value) => Top + ((maxY - value) / (maxY - minY) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="12"><rect width="{Width}" height="{Height}" fill="white"/>""");
        for (var tick = minY; tick <= maxY; tick += Math.Max(1, Math.Round((maxY - minY) / 8)))
            svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{Left}" x2="{Width - Right}" y1="{Y(tick):F1}" y2="{Y(tick):F1}" stroke="#d0d7de"/><text x="{Left - 8}" y="{Y(tick) + 4:F1}" text-anchor="end">{tick:0}</text>""");
        for (var tick = 0; tick <= 4; tick++)
            svg.Append(CultureInfo.InvariantCulture, $"""<text x="{X(maxX * tick / 4):F1}" y="{Height - Bottom + 20}" text-anchor="middle">{maxX * tick / 4:0}</text>""");
        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{(Left + Width - Right) / 2}" y="{Height - 6}" text-anchor="middle">step</text>""");
        for (var index = 0; index < curves.Count; index++)
        {
            var colour = Colours[index % Colours.Length];
            var path = string.Join(' ', curves[index].Points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.X):F1},{Y(point.Y):F1}")));
            svg.Append(CultureInfo.InvariantCulture, $"""<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/><text x="{Width - Right + 12}" y="{Top + 16 + (20 * index)}" fill="{colour}">{curves[index].Name}</text>""");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static IEnumerable<(string Name, List<(double X, double Y)> Points)> Curves(IReadOnlyList<StepMetrics> lines)
    {
        yield return ("loss (nats per token)", [.. lines.Select(line => ((double)line.Step, line.Loss))]);
        yield return ("MTP loss", [.. lines.Where(line => line.MtpLoss is not null).Select(line => ((double)line.Step, line.MtpLoss!.Value))]);
        yield return ("indexer divergence", [.. lines.Where(line => line.IndexerLoss is not null).Select(line => ((double)line.Step, line.IndexerLoss!.Value))]);
        yield return ("validation loss", [.. lines.Where(line => line.Validation?.ContainsKey("loss") == true).Select(line => ((double)line.Step, line.Validation!["loss"]))]);
        foreach (var language in lines.SelectMany(line => line.BitsPerByte?.Keys ?? []).Distinct())
        {
            yield return ($"bits per byte, {SecurityElement.Escape(language)}",
                [.. lines.Where(line => line.BitsPerByte?.ContainsKey(language) == true).Select(line => ((double)line.Step, line.BitsPerByte![language]))]);
        }
    }
}

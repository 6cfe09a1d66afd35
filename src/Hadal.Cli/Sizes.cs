using System.Globalization;

namespace Hadal.Cli;

/// <summary>Numbers as people read them.</summary>
internal static class Sizes
{
    private static readonly string[] BinaryUnits = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    private static readonly string[] Magnitudes = ["", " thousand", " million", " billion", " trillion"];

    /// <summary>Bytes with three figures: <c>15.2 MiB</c>.</summary>
    public static string Bytes(long bytes) => Scaled(bytes, 1024, BinaryUnits, " ");

    /// <summary>A count with three figures: <c>7.59 million</c>.</summary>
    public static string Count(long count) => Scaled(count, 1000, Magnitudes, "");

    /// <summary>A number with three figures.</summary>
    public static string Rate(double number) => number switch
    {
        < 10 => number.ToString("F2", CultureInfo.InvariantCulture),
        < 100 => number.ToString("F1", CultureInfo.InvariantCulture),
        _ => number.ToString("F0", CultureInfo.InvariantCulture),
    };

    private static string Scaled(long number, int step, string[] units, string gap)
    {
        var unit = 0;
        var value = (double)number;
        // A value that would round up to a whole step is shown in the next unit.
        for (; value >= step - 0.5 && unit < units.Length - 1; unit++) value /= step;
        return (unit == 0 ? number.ToString(CultureInfo.InvariantCulture) : Rate(value)) + gap + units[unit];
    }
}

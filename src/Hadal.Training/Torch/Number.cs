using TorchSharp;

namespace Hadal.Training.Torch;

/// <summary>Numbers for tensor operations, kept alive while native code reads them.</summary>
/// <remarks>TorchSharp hands native code the address that a <see cref="Scalar"/> owns and keeps no reference to the object during the call: a collection on another thread could finalise a temporary one, and with it the
/// number being read ("Unknown scalar type"). Each thread holds on to the last numbers it made; one is let go after thousands of others were made on that thread, when the call it was for has long returned. What makes
/// temporary ones, in this project or inside TorchSharp (a sum of two tensors has a factor of one), is in <c>BannedSymbols.txt</c> beside the project file.</remarks>
internal static class Number
{
    private const uint Kept = 4096;

    [ThreadStatic]
    private static Scalar[]? _recent;

    [ThreadStatic]
    private static uint _count;

    /// <summary>1, the factor of a plain sum.</summary>
    public static Scalar One { get; } = 1L.ToScalar();

    /// <summary>A real number.</summary>
    public static Scalar Of(double value) => Keep(value.ToScalar());

    /// <summary>A whole number.</summary>
    public static Scalar Of(long value) => Keep(value.ToScalar());

    private static Scalar Keep(Scalar number) => (_recent ??= new Scalar[Kept])[_count++ % Kept] = number;
}

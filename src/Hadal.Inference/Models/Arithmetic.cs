using System.Diagnostics.CodeAnalysis;

namespace Hadal.Inference.Models;

/// <summary>What products with quantised weights are computed with.</summary>
public enum Arithmetic
{
    /// <summary>float32 activations and the weights' exact values: the reference.</summary>
    Exact,

    /// <summary>Activations in 8 bits with one scale for 32 columns, as other engines compute; several times faster. Matrices in Q4_0, Q4_1, Q5_0, Q5_1,
    /// Q8_0, Q4_K, Q5_K, Q6_K, I8 with scales and AWQ are repacked when the model opens; all others are computed as with <see cref="Exact"/>.</summary>
    [SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "the field's word")]
    Integer,
}

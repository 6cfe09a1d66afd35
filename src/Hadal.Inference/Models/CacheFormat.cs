namespace Hadal.Inference.Models;

/// <summary>How keys, values and latents are stored between passes. Products are float32 whatever is stored.</summary>
public enum CacheFormat
{
    /// <summary>32-bit floats, as computed.</summary>
    F32,

    /// <summary>bfloat16, rounded to nearest even: half the memory, and half the reading at long context.</summary>
    BF16,

    /// <summary>Signed bytes with one float32 scale per token and head: a quarter of the memory.</summary>
    I8,
}

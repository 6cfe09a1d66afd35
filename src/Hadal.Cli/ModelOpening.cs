using System.CommandLine;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary>What commands do between finding a model and computing with it: limits, memory, names of formats.</summary>
internal static class ModelOpening
{
    private const int MaxThreads = 1024;
    private const int SmallestContext = 256;

    // Keys and values are expanded once per pass: bench/mla.cs finds 1.5 times the speed at 4,096 tokens with these, none with 256.
    private const int TokensOfPlainPass = 1024;

    /// <summary>The option that sets the number of threads.</summary>
    public static Option<int?> ThreadsOption() => Numbers.Integer("--threads", 1, MaxThreads, "Threads. Default: the processors this process may use.");

    /// <summary>The option that sets the context.</summary>
    public static Option<int?> ContextOption() =>
        Numbers.Integer("--context", 1, int.MaxValue, "Tokens of prompt and answer together. Default: what the model was made for, but no more than 4096.");

    /// <summary>The option that sets how quantised weights are computed with.</summary>
    public static Option<Arithmetic?> ArithmeticOption(Arithmetic standard) => Numbers.Word(
        "--arithmetic",
        standard == Arithmetic.Integer
            ? "exact: float32 activations, slow; integer: 8-bit activations where the weights are quantised. Default: integer."
            : "exact: float32 activations; integer: 8-bit activations where the weights are quantised, faster. Default: exact.",
        ("exact", Arithmetic.Exact), ("integer", Arithmetic.Integer));

    /// <summary>The option that sets how the cache is stored.</summary>
    public static Option<CacheFormat?> CacheOption() => Numbers.Word(
        "--cache",
        "How the cache is stored: f32, exact; bf16, half the memory and faster at long context; i8, a quarter. Default: f32.",
        ("f32", CacheFormat.F32), ("bf16", CacheFormat.BF16), ("i8", CacheFormat.I8));

    /// <summary>The option that sets how latent attention reads prompts.</summary>
    public static Option<MlaForm?> MlaOption() => Numbers.Word(
        "--mla",
        "How latent attention reads prompts: absorbed, with the same bits however a prompt is cut; auto, faster for long ones. Default: absorbed.",
        ("absorbed", MlaForm.Absorbed), ("auto", MlaForm.Auto));

    /// <summary>The option that sets whether tokens are guessed.</summary>
    public static Option<Speculation?> SpeculationOption() => Numbers.Word(
        "--speculate",
        "Guesses tokens and computes several at once, with the same answer: auto, where that was measured to be faster; off; on, always. Default: auto.",
        ("auto", Speculation.Auto), ("off", Speculation.Off), ("on", Speculation.Always));

    /// <summary>The limits of a model for one sequence; null leaves the default.</summary>
    public static EngineOptions OptionsOf(int? context, int? threads, Arithmetic arithmetic, CacheFormat? cacheFormat = null, MlaForm? mla = null)
    {
        var options = new EngineOptions { MaxContext = context, Arithmetic = arithmetic, CacheFormat = cacheFormat ?? CacheFormat.F32, MlaForm = mla ?? MlaForm.Absorbed };
        if (mla == MlaForm.Auto) options = options with { MaxBatchTokens = TokensOfPlainPass };
        return threads is { } count ? options with { ThreadCount = count } : options;
    }

    /// <summary>Loads the tokenizer of a model, whose weights need not be there.</summary>
    public static Tokenizer LoadTokenizer(ModelLocation location) =>
        ModelLocator.IsGguf(location.Path) ? TokenizerLoader.FromGguf(location.Path) : TokenizerLoader.FromDirectory(location.Path);

    /// <summary>Refuses a context the model was not made for.</summary>
    /// <exception cref="CommandException">It is longer.</exception>
    public static void CheckContext(ModelConfig config, long tokens, string what)
    {
        if (tokens > config.MaxPositionEmbeddings)
            throw CommandException.Usage(string.Create(
                CultureInfo.InvariantCulture, $"{what}: expected at most {config.MaxPositionEmbeddings} tokens, for which the model was made, found {tokens}"));
    }

    /// <summary>Fits a model to the memory: where it is too large only because of its routed experts, these stay in the file, and that is said. Refuses it otherwise,
    /// saying what it needs and what would help.</summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="options">Limits.</param>
    /// <param name="memory">What there is.</param>
    /// <param name="error">Where it is said.</param>
    /// <returns>The options it is to be opened with.</returns>
    /// <exception cref="CommandException">It does not fit.</exception>
    public static EngineOptions FitMemory(Checkpoint checkpoint, EngineOptions options, MachineMemory memory, TextWriter error)
    {
        var need = MemoryEstimate.For(checkpoint, options);
        if (need.TotalBytes <= memory.AvailableBytes) return options;
        var streamed = options with { KeepsExpertsInFile = true };
        var rest = MemoryEstimate.For(checkpoint, streamed);
        if (rest.WeightBytes < need.WeightBytes && rest.TotalBytes <= memory.AvailableBytes)
        {
            error.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{checkpoint.Path}: {Sizes.Bytes(need.WeightBytes - rest.WeightBytes)} of experts stay in the file, because {Sizes.Bytes(memory.AvailableBytes)} of memory are available and {Sizes.Bytes(need.TotalBytes)} would be needed; answers take longer"));
            return streamed;
        }

        var context = options.MaxContext ?? Math.Min(checkpoint.Config.MaxPositionEmbeddings, 4096);
        var fitting = context / 2;
        while (fitting >= SmallestContext && MemoryEstimate.For(checkpoint, options with { MaxContext = fitting }).TotalBytes > memory.AvailableBytes) fitting /= 2;
        var advice = fitting >= SmallestContext
            ? string.Create(CultureInfo.InvariantCulture, $"--context {fitting} would fit")
            : "use a smaller quantisation of the model, or a machine with more memory";
        throw CommandException.Failed(string.Create(
            CultureInfo.InvariantCulture,
            $"{checkpoint.Path}: too little memory: expected {Sizes.Bytes(need.TotalBytes)} (weights {Sizes.Bytes(need.WeightBytes)}, cache of {context} tokens {Sizes.Bytes(need.CacheBytes)}, work {Sizes.Bytes(need.ScratchBytes)}), found {Sizes.Bytes(memory.AvailableBytes)} available of the {(memory.IsContainer ? "container's" : "machine's")} {Sizes.Bytes(memory.TotalBytes)}; {advice}"));
    }

    /// <summary>The format most weights are stored in, for example <c>bf16</c>, <c>q4_k</c>, <c>fp8</c>, <c>int8-g128</c> or <c>awq-int4-g128</c>.</summary>
    public static string Quantization(Checkpoint checkpoint)
    {
        var dtype = checkpoint.Tensors.Values.GroupBy(tensor => tensor.DType).MaxBy(group => group.Sum(tensor => tensor.ElementCount))!.Key;
        return dtype switch
        {
            DType.F8E4M3 => "fp8",
            DType.I8 => Int8Name(checkpoint.Tensors.Values.Where(tensor => tensor.DType == DType.I8).MaxBy(tensor => tensor.Scale!.Shape[1])!),
            DType.AwqInt4 => string.Create(CultureInfo.InvariantCulture, $"awq-int4-g{checkpoint.Config.QuantizationConfig?.GroupSize}"),
            _ => DTypeName(dtype).ToLowerInvariant(),
        };
    }

    private static string Int8Name(WeightTensor tensor) => tensor.Scale!.Shape[1] == 1
        ? "int8"
        : string.Create(CultureInfo.InvariantCulture, $"int8-g{tensor.Shape[1] / tensor.Scale.Shape[1]}");

    /// <summary>A storage format as files spell it.</summary>
    public static string DTypeName(DType dtype) => dtype switch
    {
        DType.F8E4M3 => "F8_E4M3",
        DType.AwqInt4 => "AWQ_INT4",
        _ => dtype.ToString(),
    };

    /// <summary>Bytes of a tensor with its scales and zeros.</summary>
    public static long BytesOf(WeightTensor tensor) =>
        tensor.ByteLength + (tensor.Scale?.ByteLength ?? 0) + (tensor.AwqZeros?.ByteLength ?? 0) + (tensor.AwqScales?.ByteLength ?? 0);
}

using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Server;
using Hadal.Server.InProcess;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>A model for an application. Its files are checked when the application starts, and it is opened when it is first asked for.</summary>
public sealed class HadalOptions
{
    /// <summary>Checkpoint directory or <c>.gguf</c> file.</summary>
    public string Model { get; set; } = "";

    /// <summary>How it is called; the name of its file or directory if null.</summary>
    public string? Name { get; set; }

    /// <summary>Requests computed together, 1 to 1024. Default: 8.</summary>
    public int MaxConcurrent { get; set; } = 8;

    /// <summary>Answers and texts that wait beyond those, 0 to 65536. Default: 64.</summary>
    public int MaxQueued { get; set; } = 64;

    /// <summary>Tokens of prompt and answer together; null for what the model was made for, but no more than 4096.</summary>
    public int? MaxContext { get; set; }

    /// <summary>Threads; null for the processors this process may use.</summary>
    public int? ThreadCount { get; set; }

    /// <summary>What products with quantised weights are computed with. Default: <see cref="Arithmetic.Integer"/>, which is faster.</summary>
    public Arithmetic Arithmetic { get; set; } = Arithmetic.Integer;

    /// <summary>Whether tokens are guessed and several computed at once, with the same answer. Default: where that was measured to be faster.</summary>
    public Speculation Speculation { get; set; }

    internal string? Fault()
    {
        if (string.IsNullOrWhiteSpace(Model)) return "Model: expected a checkpoint directory or a .gguf file, found nothing";
        if (MaxContext is < 1) return "MaxContext: expected 1 or more";
        if (ThreadCount is < 1 or > 1024) return "ThreadCount: expected 1 to 1024";
        return Limits().Faults() is [var fault, ..] ? fault : CheckpointFault();
    }

    /// <summary>What keeps the model from being opened; its files are mapped and checked, not read.</summary>
    private string? CheckpointFault()
    {
        try
        {
            using var checkpoint = Checkpoint.Open(Model);
            return null;
        }
        catch (CheckpointException fault)
        {
            return $"Model: {fault.Message}";
        }
    }

    internal TextGeneratorOptions Limits() => new() { MaxConcurrent = MaxConcurrent, MaxQueued = MaxQueued, Speculation = Speculation };
}

/// <summary>Adds a model to an application.</summary>
public static class HadalServices
{
    /// <summary>Registers a <see cref="ServedModel"/>, an <see cref="IChatClient"/> and an <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> over it, each once for the application.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Sets the options; a section of the configuration can be bound here.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <remarks>What is out of range, and a model that is not there or damaged, is told by an <see cref="OptionsValidationException"/> when a host starts; without a host, when a service is first asked for.
    /// What shows only when the model is opened (a chat template or a tokenizer that cannot be read, too little memory) is a <see cref="CheckpointException"/>, a
    /// <see cref="Hadal.Checkpoints.Text.ChatTemplateException"/> or an <see cref="OutOfMemoryException"/> of the first service that is asked for.</remarks>
    public static IServiceCollection AddHadal(this IServiceCollection services, Action<HadalOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddSingleton<IValidateOptions<HadalOptions>, Validation>();
        services.AddOptions<HadalOptions>().Configure(configure).ValidateOnStart();
        services.AddSingleton(provider => Open(provider.GetRequiredService<IOptions<HadalOptions>>().Value));
        services.AddSingleton<IChatClient>(provider => new HadalChatClient(provider.GetRequiredService<ServedModel>(), provider.GetService<TimeProvider>()));
        services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(provider => new HadalEmbeddingGenerator(provider.GetRequiredService<ServedModel>()));
        return services;
    }

    private static ServedModel Open(HadalOptions options)
    {
        var engine = new EngineOptions { MaxContext = options.MaxContext, MaxSequences = options.MaxConcurrent, Arithmetic = options.Arithmetic };
        if (options.ThreadCount is { } threads) engine = engine with { ThreadCount = threads };
        return ServedModel.Open(options.Name ?? NameOf(Path.TrimEndingDirectorySeparator(options.Model)), options.Model, options.Limits(), engine);
    }

    /// <summary>A directory's whole name, dots included, or a file's without its ending: as <c>hadal serve</c> calls it.</summary>
    internal static string NameOf(string path) => Directory.Exists(path) ? Path.GetFileName(path) : Path.GetFileNameWithoutExtension(path);

    private sealed class Validation : IValidateOptions<HadalOptions>
    {
        public ValidateOptionsResult Validate(string? name, HadalOptions options) =>
            options.Fault() is { } fault ? ValidateOptionsResult.Fail(fault) : ValidateOptionsResult.Success;
    }
}

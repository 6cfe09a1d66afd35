using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Server.Answers;

namespace Hadal.Server;

/// <summary>A model that is ready to answer: its engine, its template and its adapters.</summary>
public sealed class ServedModel : IAsyncDisposable, IDisposable
{
    /// <summary>What a model without a template is given: the texts of all messages, to be continued.</summary>
    private const string ContinuationTemplate =
        "{% if bos_token and starts_with_bos %}{{ bos_token }}{% endif %}{% for message in messages %}{{ message.content }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}";

    private readonly Dictionary<string, ServedAdapter> _adapters = new(StringComparer.Ordinal);
    private readonly string _template;

    /// <param name="name">How requests call it.</param>
    /// <param name="checkpoint">Its files.</param>
    /// <param name="generator">Its engine.</param>
    internal ServedModel(string name, Checkpoint checkpoint, TextGenerator generator)
        : this(name, checkpoint, generator, checkpoint.ChatTemplate)
    {
    }

    private ServedModel(string name, Checkpoint checkpoint, TextGenerator generator, string? template)
    {
        Name = name;
        Checkpoint = checkpoint;
        Generator = generator;
        HasTemplate = template is not null;
        _template = template ?? "";
        Chat = new ChatPrompt(template ?? ContinuationTemplate, generator.Tokenizer);
        Format = AnswerFormat.Of(_template);
        Sampling = SamplingOptions.From(checkpoint.GenerationConfig);
        VocabSize = checkpoint.Config.VocabSize;
        MaxNewTokens = checkpoint.GenerationConfig.MaxNewTokens;
    }

    /// <summary>How requests call it.</summary>
    public string Name { get; }

    /// <summary>The engine.</summary>
    public TextGenerator Generator { get; }

    /// <summary>Names of the adapters it was opened with; each is a model of its own to clients.</summary>
    public IEnumerable<string> AdapterNames => _adapters.Keys;

    /// <summary>Its files.</summary>
    internal Checkpoint Checkpoint { get; }

    /// <summary>Renders conversations.</summary>
    internal ChatPrompt Chat { get; }

    /// <summary>Whether the checkpoint has a chat template; without one the model continues the text of the messages.</summary>
    internal bool HasTemplate { get; }

    /// <summary>How reasoning and calls stand in its answers.</summary>
    internal AnswerFormat Format { get; }

    /// <summary>What the checkpoint recommends.</summary>
    internal SamplingOptions Sampling { get; }

    /// <summary>Number of logits.</summary>
    internal int VocabSize { get; }

    /// <summary>Tokens of an answer at most, if the checkpoint says so.</summary>
    internal int? MaxNewTokens { get; }

    /// <summary>Opens a checkpoint and starts its engine.</summary>
    /// <param name="name">How requests will call it.</param>
    /// <param name="path">Checkpoint directory or <c>.gguf</c> file.</param>
    /// <param name="options">Limits of the engine.</param>
    /// <param name="engineOptions">Limits of the model; defaults if null.</param>
    /// <param name="adapters">LoRA directories by the names that requests will call them.</param>
    /// <param name="warn">Told of adapters that were trained beside another model, in one line each; may be null.</param>
    /// <exception cref="CheckpointException">Something cannot be read or computed.</exception>
    /// <exception cref="ChatTemplateException">The chat template is not valid.</exception>
    public static ServedModel Open(
        string name, string path, TextGeneratorOptions? options = null, EngineOptions? engineOptions = null, IReadOnlyDictionary<string, string>? adapters = null,
        Action<string>? warn = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Checkpoint? checkpoint = null;
        TextGenerator? generator = null;
        ServedModel? model = null;
        var isWhole = false;
        try
        {
            checkpoint = Checkpoint.Open(path);
            generator = TextGenerator.Open(checkpoint, options, engineOptions);
            model = new ServedModel(name, checkpoint, generator);
            foreach (var (adapterName, folder) in adapters ?? new Dictionary<string, string>())
            {
                var adapter = model.Load(folder, long.MaxValue);
                model._adapters.Add(adapterName, adapter);
                if (adapter.Warning is { } warning) warn?.Invoke(warning);
            }

            isWhole = true;
            return model;
        }
        finally
        {
            if (!isWhole)
            {
                if (model is not null) foreach (var adapter in model._adapters.Values) adapter.Adapter.Dispose();
                generator?.DisposeAsync().AsTask().GetAwaiter().GetResult();
                checkpoint?.Dispose();
            }
        }
    }

    /// <summary>Ends its requests within one step and closes its files.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var adapter in _adapters.Values) adapter.Adapter.Dispose();
        await Generator.DisposeAsync().ConfigureAwait(false);
        Checkpoint.Dispose();
    }

    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Makes an adapter ready; requests go on meanwhile.</summary>
    /// <param name="folder">Its directory.</param>
    /// <param name="mostBytes">Memory that it may take.</param>
    /// <exception cref="CheckpointException">It cannot be read, does not fit, cannot be computed with, or takes more memory.</exception>
    /// <exception cref="ChatTemplateException">Its chat template is not valid.</exception>
    internal ServedAdapter Load(string folder, long mostBytes)
    {
        using var adapter = LoraAdapter.Open(folder, Checkpoint.Config);
        if (adapter.ParameterCount > mostBytes / sizeof(float))
            throw new CheckpointException(FormattableString.Invariant($"{folder}: takes {(adapter.ParameterCount * sizeof(float)) >> 20} MiB, found {mostBytes >> 20} MiB of memory to be free; unload another one first"));
        var form = adapter.ChatTemplate is { } template ? new ServedModel(Name, Checkpoint, Generator, template) : this;
        var warning = adapter.OtherBase(Checkpoint);
        return new ServedAdapter(Generator.AddAdapter(adapter), form, warning);
    }

    /// <summary>An adapter that it was opened with.</summary>
    internal ServedAdapter Opened(string adapter) => _adapters[adapter];

    /// <summary>Whether the chat template asks for a member of that name: <c>.name</c>, <c>'name'</c> or <c>"name"</c>.</summary>
    internal bool TemplateReads(string name) => Reads(_template, name);

    /// <inheritdoc cref="TemplateReads"/>
    internal static bool Reads(string template, string name)
    {
        for (var at = template.IndexOf(name, StringComparison.Ordinal); at > 0 && name.Length > 0; at = template.IndexOf(name, at + 1, StringComparison.Ordinal))
        {
            var (before, behind) = (template[at - 1], at + name.Length < template.Length ? template[at + name.Length] : ' ');
            if (before is '\'' or '"' ? behind == before : before == '.' && !char.IsAsciiLetterOrDigit(behind) && behind != '_') return true;
        }

        return false;
    }
}

/// <summary>An adapter that is ready to answer.</summary>
/// <param name="Adapter">The adapter.</param>
/// <param name="Form">Its model with the chat template that the adapter was trained with; the model itself where that is the model's.</param>
/// <param name="Warning">What is to be said of it in one line, with paths; or null.</param>
internal sealed record ServedAdapter(DecoderAdapter Adapter, ServedModel Form, string? Warning);

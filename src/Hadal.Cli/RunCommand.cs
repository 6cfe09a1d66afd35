using System.CommandLine;
using System.Text.Json.Serialization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary><c>hadal run [MODEL] [-p PROMPT] …</c>: an answer to one prompt, or a conversation on a terminal.</summary>
internal sealed class RunCommand
{
    /// <summary>A model that only continues text may never end by itself.</summary>
    private const int MaxContinuationTokens = 256;

    private readonly Argument<string?> _model = ModelLocator.Argument($"{ModelLocator.BuiltInName}, and {ModelLocator.ChatName} for a conversation, which come with the program");
    private readonly Option<string?> _prompt = new("--prompt", "-p") { Description = "The prompt. Left out, it is read from a pipe, or a conversation begins on a terminal.", HelpName = "PROMPT" };
    private readonly Option<string?> _system = new("--system") { Description = "What the model is told before the conversation.", HelpName = "TEXT" };
    private readonly Option<int?> _maxTokens = Numbers.Integer("--max-tokens", 1, int.MaxValue, $"Tokens of the answer at most. Default: until the model ends it, {MaxContinuationTokens} if it only continues text.");
    private readonly Option<double?> _temperature = Numbers.Real("--temperature", "T", "0 takes the likeliest token, higher values vary more. Default of this and the next four: what the model recommends; 0.8 and top-p 0.95 if it says nothing.");
    private readonly Option<double?> _topP = Numbers.Real("--top-p", "P", "Chooses among the likeliest tokens that reach this probability together.");
    private readonly Option<int?> _topK = Numbers.Integer("--top-k", 0, int.MaxValue, "Chooses among so many of the likeliest tokens; 0 means all.");
    private readonly Option<double?> _minP = Numbers.Real("--min-p", "P", "Leaves out tokens below this fraction of the likeliest one's probability.");
    private readonly Option<double?> _repetitionPenalty = Numbers.Real("--repetition-penalty", "R", "Makes tokens of prompt and answer less likely by this factor.");
    private readonly Option<double?> _presencePenalty = Numbers.Real("--presence-penalty", "R", "Makes tokens of the answer less likely, once. Default: 0.");
    private readonly Option<double?> _frequencyPenalty = Numbers.Real("--frequency-penalty", "R", "Makes tokens of the answer less likely each time they occur. Default: 0.");
    private readonly Option<ulong?> _seed = Numbers.Unsigned("--seed", "S", "The same seed gives the same answer. Default: another one each time.");
    private readonly Option<string[]> _stop = new("--stop") { Description = "Ends the answer where this text would follow; may be given several times.", HelpName = "TEXT" };
    private readonly Option<int?> _context = ModelOpening.ContextOption();
    private readonly Option<int?> _threads = ModelOpening.ThreadsOption();
    private readonly Option<Arithmetic?> _arithmetic = ModelOpening.ArithmeticOption(Arithmetic.Integer);
    private readonly Option<CacheFormat?> _cache = ModelOpening.CacheOption();
    private readonly Option<MlaForm?> _mla = ModelOpening.MlaOption();
    private readonly Option<Speculation?> _speculation = ModelOpening.SpeculationOption();
    private readonly Option<string?> _adapter = new("--adapter") { Description = "A LoRA adapter to answer with: a directory with adapter_config.json and adapter_model.safetensors, as peft saves it.", HelpName = "DIR" };
    private readonly Option<bool> _json = JsonOutput.Option();
    private readonly Option<string[]>[] _senses = [Sense("--image"), Sense("--audio"), Sense("--series")];
    private readonly AnswerGrammar _grammar;
    private readonly Shell _shell;

    private RunCommand(Shell shell) => (_shell, _grammar) = (shell, new AnswerGrammar(shell));

    public static Command Create(Shell shell)
    {
        var run = new RunCommand(shell);
        var command = new Command("run", "Answers a prompt, continues a text, or holds a conversation on a terminal.")
        {
            run._model, run._prompt, run._system, run._maxTokens, run._temperature, run._topP, run._topK, run._minP, run._repetitionPenalty, run._presencePenalty,
            run._frequencyPenalty, run._seed, run._stop, run._context, run._threads, run._arithmetic, run._cache, run._mla, run._speculation, run._adapter, run._json,
        };
        foreach (var option in run._grammar.Options) command.Add(option);
        foreach (var sense in run._senses) command.Add(sense);
        command.SetAction(parsed => run.RunAsync(parsed).GetAwaiter().GetResult());
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        var isJson = parsed.GetValue(_json);
        var prompt = parsed.GetValue(_prompt) ?? (_shell.IsInputTerminal ? null : ReadPipe());
        if (prompt is null && isJson) throw CommandException.Usage("--json: expected a prompt, found none; give one with -p or through a pipe");

        var location = new ModelLocator(_shell).Find(parsed.GetValue(_model), prompt is null ? ModelLocator.ChatName : ModelLocator.BuiltInName);
        // Vocabularies take longer to read than weights, which are only mapped; on another processor they cost no time.
        var tokenizer = Task.Run(() => ModelOpening.LoadTokenizer(location));
        using var checkpoint = Checkpoint.Open(location.Path);
        foreach (var sense in _senses)
            if (parsed.GetValue(sense) is { Length: > 0 }) throw CommandException.Usage($"{sense.Name}: {location.Name} ({checkpoint.Config.ModelType}) reads text only");
        var options = OptionsOf(parsed, checkpoint);
        if (parsed.GetValue(_context) is { } tokens) ModelOpening.CheckContext(checkpoint.Config, tokens, "--context");
        var engineOptions = ModelOpening.OptionsOf(parsed.GetValue(_context), parsed.GetValue(_threads), parsed.GetValue(_arithmetic) ?? Arithmetic.Integer, parsed.GetValue(_cache), parsed.GetValue(_mla));
        engineOptions = ModelOpening.FitMemory(checkpoint, engineOptions, MachineMemory.Read(), _shell.Error);
        if (!engineOptions.KeepsExpertsInFile) _ = checkpoint.ReadAhead();

        using var opened = parsed.GetValue(_adapter) is { } path ? LoraAdapter.Open(path, checkpoint.Config) : null;
        if (opened?.OtherBase(checkpoint) is { } warning) _shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(warning)}");
        if (checkpoint.Config.Head != ModelHead.Language || opened?.Score is not null)
            return LabelAnswer.Run(_shell, checkpoint, opened, await tokenizer.ConfigureAwait(false), engineOptions, prompt, isJson);
        var limits = new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 0, MaxBatchTokens = engineOptions.MaxBatchTokens, Speculation = parsed.GetValue(_speculation) ?? Speculation.Auto };
        var generator = TextGenerator.Open(checkpoint, limits, engineOptions, await tokenizer.ConfigureAwait(false));
        await using (generator.ConfigureAwait(false))
        {
            using var adapter = opened is null ? null : generator.AddAdapter(opened);
            if (adapter is not null) options = options with { Adapter = adapter };
            var chat = (opened?.ChatTemplate ?? checkpoint.ChatTemplate) is { } template ? new ChatPrompt(template, generator.Tokenizer) : null;
            if (chat is null && parsed.GetValue(_system) is not null) throw CommandException.Usage($"--system: {location.Name} has no chat template and only continues text");
            if (prompt is null)
            {
                var conversation = new Conversation(_shell, generator, chat, options) { System = parsed.GetValue(_system) };
                return await conversation.RunAsync($"{location.Name}, {Sizes.Count(checkpoint.Tensors.Values.Sum(tensor => tensor.ElementCount))} parameters in {ModelOpening.Quantization(checkpoint)}").ConfigureAwait(false);
            }

            return await AnswerAsync(generator, PromptIds(chat, generator.Tokenizer, parsed.GetValue(_system), prompt), options, isJson).ConfigureAwait(false);
        }
    }

    private async Task<int> AnswerAsync(TextGenerator generator, IReadOnlyList<int> promptIds, GenerationOptions options, bool isJson)
    {
        var answer = await Answer.ReadAsync(generator, promptIds, options, _shell, isJson ? null : _shell.Text).ConfigureAwait(false);
        if (isJson) JsonOutput.Write(_shell, RunResult.Of(answer, _grammar.Terms?.IdsOf(answer.Text)), CommandJson.Default.RunResult);
        var isStopped = answer.FinishReason == FinishReason.Stop && options.StopStrings.Count > 0;
        if (!isJson && (isStopped || answer.FinishReason == FinishReason.Length) && options.Grammar is { } grammar && !AnswerGrammar.IsWhole(grammar, answer.Text))
        {
            var remedy = isStopped ? "leave --stop out" : "raise --max-tokens or --context";
            throw CommandException.Failed($"the answer was cut after {answer.Usage.CompletionTokens} tokens and is no whole text of the grammar; {remedy}");
        }

        return answer.FinishReason == FinishReason.Cancelled ? ExitCode.Interrupted : ExitCode.Done;
    }

    /// <summary>The ids of one prompt: rendered as a message where the model talks, else as text to continue.</summary>
    internal static IReadOnlyList<int> PromptIds(ChatPrompt? chat, Tokenizer tokenizer, string? system, string prompt)
    {
        if (chat is null) return ContinuationIds(tokenizer, prompt);
        var messages = new List<ChatMessage>();
        if (system is not null) messages.Add(new ChatMessage("system", system));
        messages.Add(new ChatMessage("user", prompt));
        return chat.Encode(new ChatConversation { Messages = messages });
    }

    /// <summary>The ids of a text to continue. An end token, which some families add, would end it before it began.</summary>
    internal static IReadOnlyList<int> ContinuationIds(Tokenizer tokenizer, string text)
    {
        var ids = tokenizer.Encode(text, addSpecial: false);
        if (tokenizer.AddsBos) return [tokenizer.BosTokenId!.Value, .. ids];
        return ids.Count > 0 ? ids : throw CommandException.Usage("the prompt is empty, and the model has no start token");
    }

    /// <summary>What was piped in, without the line end that <c>echo</c> and editors put behind it.</summary>
    private string ReadPipe()
    {
        var text = StandardInput.ReadText(_shell);
        if (text.Length == 0) throw CommandException.Usage("standard input is empty; give a prompt with -p or through a pipe");
        return text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
    }

    private GenerationOptions OptionsOf(ParseResult parsed, Checkpoint checkpoint)
    {
        var recommended = Recommended(checkpoint.GenerationConfig);
        var sampling = recommended with
        {
            Temperature = parsed.GetValue(_temperature) ?? recommended.Temperature,
            TopP = parsed.GetValue(_topP) ?? recommended.TopP,
            TopK = parsed.GetValue(_topK) ?? recommended.TopK,
            MinP = parsed.GetValue(_minP) ?? recommended.MinP,
            RepetitionPenalty = parsed.GetValue(_repetitionPenalty) ?? recommended.RepetitionPenalty,
            PresencePenalty = parsed.GetValue(_presencePenalty) ?? 0,
            FrequencyPenalty = parsed.GetValue(_frequencyPenalty) ?? 0,
            Seed = parsed.GetValue(_seed),
        };
        var options = new GenerationOptions
        {
            Sampling = sampling,
            MaxTokens = parsed.GetValue(_maxTokens) ?? checkpoint.GenerationConfig.MaxNewTokens ?? (checkpoint.ChatTemplate is null ? MaxContinuationTokens : null),
            StopStrings = parsed.GetValue(_stop) ?? [],
            Grammar = _grammar.Of(parsed),
        };
        var faults = options.Faults(checkpoint.Config.VocabSize);
        if (faults.Count > 0) throw CommandException.Usage(string.Join("; ", faults.Select(AsOption)));
        return options;
    }

    /// <summary><c>top_p: …</c> as <c>--top-p: …</c>.</summary>
    private static string AsOption(string fault)
    {
        var colon = fault.IndexOf(':', StringComparison.Ordinal);
        return string.Concat("--", fault[..colon].Replace('_', '-'), fault.AsSpan(colon));
    }

    private static SamplingOptions Recommended(GenerationConfig config) =>
        config is { DoSample: null, Temperature: null, TopP: null, TopK: null, MinP: null }
            ? SamplingOptions.From(config) with { Temperature = 0.8, TopP = 0.95 }
            : SamplingOptions.From(config);

    private static Option<string[]> Sense(string name) => new(name) { Hidden = true };
}

/// <summary>What <c>run --json</c> prints.</summary>
internal sealed record RunResult(
    string Text,
    int PromptTokens,
    int CompletionTokens,
    string FinishReason,
    double TimeToFirstTokenMs,
    double DecodeTokensPerSecond,
    double PrefillTokensPerSecond,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Ids)
{
    public static RunResult Of(Answer answer, IReadOnlyList<string>? ids) => new(
        answer.Text, answer.Usage.PromptTokens, answer.Usage.CompletionTokens, answer.FinishReason, answer.Usage.TimeToFirstToken.TotalMilliseconds,
        answer.Usage.DecodeTokensPerSecond, answer.Usage.PrefillTokensPerSecond, ids);
}

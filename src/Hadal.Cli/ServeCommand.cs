using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Server;

namespace Hadal.Cli;

/// <summary><c>hadal serve [MODEL…]</c>: answers OpenAI and DeepSeek clients over HTTP until it is told to stop.</summary>
internal sealed class ServeCommand
{
    private const int DefaultParallel = 8;
    private const int DefaultQueue = 64;

    private readonly Argument<string[]> _models = new("MODEL")
    {
        Description = $"Checkpoint directories, .gguf files, or owner/name in the local hub cache; requests choose by name. Left out: {ModelLocator.BuiltInName}.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string[]> _urls = new("--urls") { Description = "Addresses to listen on. Default: http://127.0.0.1:8080, this machine only.", HelpName = "URL" };
    private readonly Option<string?> _keys = new("--api-key-file") { Description = "File of keys, one a line: printf %s \"$KEY\" | sha256sum. Read again when it changes. A second word names the key, max-concurrent=N bounds its answers at a time, may=adapters lets it load adapters.", HelpName = "FILE" };
    private readonly Option<bool> _anonymous = new("--allow-anonymous") { Description = "Listens beyond this machine without asking for a key." };
    private readonly Option<string[]> _adapters = new("--adapter") { Description = "A LoRA adapter as a model of its own; may be given several times. It belongs to the MODEL it was trained beside, else to the first that it fits.", HelpName = "NAME=DIR" };
    private readonly Option<string?> _adapterFolder = new("--adapters") { Description = "A directory whose folders are adapters by their names; POST /v1/load_lora_adapter and /v1/unload_lora_adapter load, replace and unload those in it while the server answers.", HelpName = "DIR" };
    private readonly Option<int?> _parallel = Numbers.Integer("--parallel", 1, 1024, "Answers and texts computed together at most. Default: 8.");
    private readonly Option<int?> _queue = Numbers.Integer("--queue", 0, 65536, "Answers and texts that may wait beyond those; the next is refused and told when to come again. With keys of several names, one gets a place, computed or waiting, only while more are free than it has: half of all at most. While nobody else is there it may fill --parallel. Default: 64.");
    private readonly Option<int?> _timeout = Numbers.Integer("--timeout", 1, 86400, "Seconds until an answer must be whole. Default: 600.");
    private readonly Option<int?> _body = Numbers.Integer("--max-body", 1, 1024, "Mebibytes of a request at most. Default: 10.");
    private readonly Option<int?> _drain = Numbers.Integer("--drain", 0, 86400, "Seconds that answers may go on after the server was told to stop. Default: 30.");
    private readonly Option<string?> _requestLog = new("--request-log") { Description = "File that gets a line of JSON for each request: model, key, status, tokens, times. Without text, unless --log-prompts is given.", HelpName = "FILE" };
    private readonly Option<bool> _logPrompts = new("--log-prompts") { Description = "Those lines have the bodies of the requests, too." };
    private readonly Option<int?> _context = ModelOpening.ContextOption();
    private readonly Option<int?> _threads = ModelOpening.ThreadsOption();
    private readonly Option<Arithmetic?> _arithmetic = ModelOpening.ArithmeticOption(Arithmetic.Integer);
    private readonly Option<CacheFormat?> _cache = ModelOpening.CacheOption();
    private readonly Option<MlaForm?> _mla = ModelOpening.MlaOption();
    private readonly Option<Speculation?> _speculation = ModelOpening.SpeculationOption();
    private readonly Shell _shell;

    private ServeCommand(Shell shell)
    {
        _shell = shell;
        _urls.AllowMultipleArgumentsPerToken = false;
    }

    public static Command Create(Shell shell)
    {
        var serve = new ServeCommand(shell);
        var command = new Command("serve", "Answers OpenAI and DeepSeek clients over HTTP until it is told to stop.")
        {
            serve._models, serve._urls, serve._keys, serve._anonymous, serve._adapters, serve._adapterFolder, serve._parallel, serve._queue, serve._timeout, serve._body, serve._drain, serve._requestLog, serve._logPrompts, serve._context, serve._threads, serve._arithmetic, serve._cache, serve._mla, serve._speculation,
        };
        command.SetAction(parsed => serve.RunAsync(parsed).GetAwaiter().GetResult());
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        var sources = Sources(parsed);
        using var work = _shell.Interruption.Begin();
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            _shell.Interruption.Signal();
        });
        using var requestLog = RequestLog(parsed);
        using var telemetry = Telemetry.FromEnvironment();
        if (parsed.GetValue(_keys) is not null && (parsed.GetValue(_queue) ?? DefaultQueue) is var queue && queue < (parsed.GetValue(_parallel) ?? DefaultParallel))
            _shell.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"hadal: --queue {queue} is smaller than --parallel: while a key that came first fills that, others find {queue} places"));
        var server = await StartAsync(Options(parsed) with { RequestLog = requestLog is null ? null : requestLog.WriteLine, LogPrompts = parsed.GetValue(_logPrompts) }, sources).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
        {
            foreach (var url in server.Urls) _shell.Error.WriteLine($"hadal: listening on {url}");
            if (Page() is not null) _shell.Error.WriteLine("hadal: the page is there too: open the address in a browser");
            var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var registration = work.Token.Register(stop.SetResult);
            await (await Task.WhenAny(server.Loaded, stop.Task).ConfigureAwait(false)).ConfigureAwait(false);
            if (server.Loaded.IsCompletedSuccessfully) _shell.Error.WriteLine($"hadal: ready: {HadalCommand.OneLine(string.Join(", ", server.ModelNames))}");
            await stop.Task.ConfigureAwait(false);
            _shell.Error.WriteLine("hadal: stopping; answers that have begun may end, a second signal ends them now");
            await server.StopAsync().ConfigureAwait(false);
        }

        return ExitCode.Done;
    }

    /// <summary>The file that lines of requests are added to; safe to use from many threads.</summary>
    private TextWriter? RequestLog(ParseResult parsed)
    {
        if (parsed.GetValue(_requestLog) is not { } file)
        {
            if (parsed.GetValue(_logPrompts)) throw CommandException.Usage("--log-prompts: expected --request-log beside it");
            return null;
        }

        return TextWriter.Synchronized(new StreamWriter(Path.GetFullPath(file, _shell.CurrentDirectory), append: true) { AutoFlush = true });
    }

    private static async Task<HadalServer> StartAsync(ServerOptions options, IReadOnlyList<ModelSource> sources)
    {
        try
        {
            return await HadalServer.StartAsync(options, sources).ConfigureAwait(false);
        }
        catch (ArgumentException fault)
        {
            throw CommandException.Usage(fault.Message, fault);
        }
        catch (FormatException fault)
        {
            throw CommandException.Failed(fault.Message, fault);
        }
    }

    private ServerOptions Options(ParseResult parsed)
    {
        var options = new ServerOptions
        {
            ApiKeyFile = parsed.GetValue(_keys) is { } file ? Path.GetFullPath(file, _shell.CurrentDirectory) : null,
            AdapterFolder = parsed.GetValue(_adapterFolder) is { } adapters ? Path.GetFullPath(adapters, _shell.CurrentDirectory) : null,
            AllowAnonymous = parsed.GetValue(_anonymous),
            PageFolder = Page(),
            Log = line => _shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(line)}"),
        };
        if (parsed.GetValue(_urls) is { Length: > 0 } urls) options = options with { Urls = [.. urls.SelectMany(url => url.Split(';', ',')).Select(url => url.TrimEnd('/'))] };
        if (parsed.GetValue(_timeout) is { } timeout) options = options with { RequestTimeout = TimeSpan.FromSeconds(timeout) };
        if (parsed.GetValue(_body) is { } mebibytes) options = options with { MaxBodyBytes = (long)mebibytes << 20 };
        return parsed.GetValue(_drain) is { } drain ? options with { DrainTimeout = TimeSpan.FromSeconds(drain) } : options;
    }

    /// <summary>The page that came with the program; null for a build without it.</summary>
    private static string? Page()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "page");
        return Directory.Exists(folder) ? folder : null;
    }

    private List<ModelSource> Sources(ParseResult parsed)
    {
        var locator = new ModelLocator(_shell);
        var names = parsed.GetValue(_models) ?? [];
        if (names.FirstOrDefault(name => name.StartsWith('-')) is { } option) throw CommandException.Usage($"unknown option '{option}'");
        ModelLocation[] locations = names.Length == 0 ? [locator.Find(null)] : [.. names.Select(name => locator.Find(name))];
        var adapters = ByModel(Adapters(parsed), locations);
        var engine = ModelOpening.OptionsOf(parsed.GetValue(_context), parsed.GetValue(_threads), parsed.GetValue(_arithmetic) ?? Arithmetic.Integer, parsed.GetValue(_cache), parsed.GetValue(_mla));
        var limits = new TextGeneratorOptions
        {
            MaxConcurrent = parsed.GetValue(_parallel) ?? DefaultParallel, MaxQueued = parsed.GetValue(_queue) ?? DefaultQueue, Speculation = parsed.GetValue(_speculation) ?? Speculation.Auto,
        };
        var memory = MachineMemory.Read();
        memory = memory with { AvailableBytes = memory.AvailableBytes / locations.Length };
        return [.. locations.Select((location, index) => new ModelSource(
            location.Name,
            () => ServedModel.Open(
                location.Name, location.Path, limits, Fit(location, engine, limits, memory), adapters[index], warning => _shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(warning)}")),
            [.. adapters[index].Keys]))];
    }

    /// <summary>The adapters of each model; whether they fit an only one is seen when it is opened.</summary>
    private static Dictionary<string, string>[] ByModel(Dictionary<string, string> adapters, ModelLocation[] locations)
    {
        if (locations.Length == 1) return [adapters];
        Dictionary<string, string>[] byModel = [.. locations.Select(_ => new Dictionary<string, string>())];
        if (adapters.Count == 0) return byModel;
        var checkpoints = new List<Checkpoint>();
        try
        {
            foreach (var location in locations) checkpoints.Add(Checkpoint.Open(location.Path));
            foreach (var (name, folder) in adapters) byModel[LoraAdapter.FindBase(folder, checkpoints)].Add(name, folder);
            return byModel;
        }
        finally
        {
            foreach (var checkpoint in checkpoints) checkpoint.Dispose();
        }
    }

    private Dictionary<string, string> Adapters(ParseResult parsed)
    {
        var adapters = new Dictionary<string, string>();
        foreach (var text in parsed.GetValue(_adapters) ?? [])
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) throw CommandException.Usage($"--adapter: expected NAME=DIR, found '{text}'");
            if (!adapters.TryAdd(text[..equals], Path.GetFullPath(text[(equals + 1)..], _shell.CurrentDirectory))) throw CommandException.Usage($"--adapter: '{text[..equals]}' is the name of two");
        }

        return adapters;
    }

    /// <summary>As many whole contexts in the cache as requests may run together, or as the memory holds; requests take turns where it holds fewer.</summary>
    private EngineOptions Fit(ModelLocation location, EngineOptions engine, TextGeneratorOptions limits, MachineMemory memory)
    {
        using var checkpoint = Checkpoint.Open(location.Path);
        if (engine.MaxContext is { } context) ModelOpening.CheckContext(checkpoint.Config, context, "--context");
        engine = engine with { MaxBatchTokens = limits.MaxBatchTokens };
        engine = ModelOpening.FitMemory(checkpoint, engine, memory, _shell.Error);
        var sequences = limits.MaxConcurrent;
        while (sequences > 1 && MemoryEstimate.For(checkpoint, engine with { MaxSequences = sequences }).TotalBytes > memory.AvailableBytes) sequences--;
        return engine with { MaxSequences = sequences };
    }
}

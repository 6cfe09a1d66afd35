using System.Net.Sockets;
using Hadal.Checkpoints.Adapters;
using Hadal.Server.Endpoints;
using Hadal.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Hadal.Server;

/// <summary>The HTTP service: OpenAI's and DeepSeek's protocol over the engines of this process.</summary>
/// <remarks>Its settings are those of <see cref="ServerOptions"/> only: no file in the working folder and no variable changes them.</remarks>
public sealed class HadalServer : IAsyncDisposable
{
    /// <summary>What may stand in front of every route: OpenAI's clients say the version, DeepSeek's need not, and its newer forms are called <c>beta</c>.</summary>
    internal static readonly string[] Roots = ["", "/v1", "/beta", "/beta/v1"];

    private readonly WebApplication _app;
    private readonly ServerState _state;

    private HadalServer(WebApplication app, ServerState state) => (_app, _state) = (app, state);

    /// <summary>Addresses it listens on, with the ports that were free.</summary>
    public IReadOnlyList<string> Urls => [.. _app.Urls];

    /// <summary>Names of models and adapters as of now.</summary>
    public IReadOnlyList<string> ModelNames => [.. _state.Catalog.Entries.Select(entry => entry.Name)];

    /// <summary>Ends when all models and the adapters of <see cref="ServerOptions.AdapterFolder"/> are ready; fails with the reason why a model is not.</summary>
    public Task Loaded => _state.Catalog.Loaded;

    /// <summary>Listens, and opens the models meanwhile.</summary>
    /// <param name="options">Limits and doors.</param>
    /// <param name="models">What to serve.</param>
    /// <exception cref="ArgumentException">An option is out of range, or two models have one name; the message has all faults.</exception>
    /// <exception cref="FormatException">The file of keys is malformed.</exception>
    /// <exception cref="IOException">The file of keys or the page cannot be read, or an address is taken.</exception>
    /// <exception cref="Checkpoints.CheckpointException">The directory of adapters is none, or cannot be read.</exception>
    public static async Task<HadalServer> StartAsync(ServerOptions options, IReadOnlyList<ModelSource> models)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(models);
        if (options.Faults() is { Count: > 0 } faults) throw new ArgumentException(string.Join("; ", faults));
        var keys = options.ApiKeyFile is { } file ? new ApiKeys(file, options.Log) : null;
        var folders = options.AdapterFolder is { } directory ? new AdapterFolders(directory) : null;
        var app = Build(options);
        ServerState? state = null;
        try
        {
            var catalog = new ModelCatalog(models, options.Clock, folders, options.Log);
            state = new ServerState(options, catalog, keys, folders is null ? null : new AdapterLoading(folders, catalog));
            Map(app, state);
            await app.StartAsync().ConfigureAwait(false);
            return new HadalServer(app, state);
        }
        catch (Exception fault)
        {
            if (state is not null)
            {
                await state.Catalog.DisposeAsync().ConfigureAwait(false);
                state.Dispose();
            }

            await app.DisposeAsync().ConfigureAwait(false);
            if (fault is SocketException socket) throw new IOException($"{string.Join(", ", options.Urls)}: {socket.Message}", socket);
            throw;
        }
    }

    /// <summary>Takes no more work, lets answers end within <see cref="ServerOptions.DrainTimeout"/>, ends the rest with an error, and stops listening.</summary>
    public async Task StopAsync()
    {
        await _state.DrainAsync().ConfigureAwait(false);
        await _app.StopAsync().ConfigureAwait(false);
    }

    /// <summary>Stops, if that was not done, and closes the models.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        await _state.Catalog.DisposeAsync().ConfigureAwait(false);
        _state.Dispose();
    }

    private static WebApplication Build(ServerOptions options)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Hadal.Server", ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;

            // Bodies are counted where they are read. Kestrel's own limit would close the connection of whoever is still writing, and the answer would be lost with it; without, what is left
            // is thrown away for five seconds behind the answer.
            kestrel.Limits.MaxRequestBodySize = null;
        });
        builder.Services.AddRoutingCore();

        // Signals belong to the program, not to the server.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        var app = builder.Build();
        foreach (var url in options.Urls) app.Urls.Add(url);
        return app;
    }

    private static void Map(WebApplication app, ServerState state)
    {
        // The page is nobody's secret; what it asks for afterwards goes through the doors below.
        if (state.Options.PageFolder is { } folder)
        {
            var page = PageFiles.Open(folder);
            app.Use(next => async http =>
            {
                if (!await page.TryServeAsync(http).ConfigureAwait(false)) await next(http).ConfigureAwait(false);
            });
        }

        var pipeline = new RequestPipeline(state);
        app.Use(next => http => pipeline.InvokeAsync(http, next));
        app.UseRouting();
        foreach (var root in Roots)
        {
            app.MapPost(root + "/chat/completions", RequestPipeline.Work("chat", ChatCompletions.HandleAsync));
            app.MapPost(root + "/completions", RequestPipeline.Work("text_completion", Completions.HandleAsync));
            app.MapPost(root + "/responses", RequestPipeline.Work("responses", Responses.HandleAsync));
            app.MapPost(root + "/embeddings", RequestPipeline.Work("embeddings", Embeddings.HandleAsync));
            app.MapPost(root + "/classify", RequestPipeline.Work("classify", Classify.HandleAsync));
            app.MapPost(root + "/load_lora_adapter", RequestPipeline.Work("load_lora_adapter", LoraAdapters.LoadAsync));
            app.MapPost(root + "/unload_lora_adapter", RequestPipeline.Work("unload_lora_adapter", LoraAdapters.UnloadAsync));
            app.MapPost(root + "/tokenize", RequestPipeline.Work("tokenize", Tokens.TokenizeAsync));
            app.MapPost(root + "/detokenize", RequestPipeline.Work("detokenize", Tokens.DetokenizeAsync));
            app.MapGet(root + "/models", http => Models.ListAsync(RequestPipeline.ScopeOf(http)));
            app.MapGet(root + "/models/{**id}", http => Models.ShowAsync(RequestPipeline.ScopeOf(http)));
            app.MapGet(root + RequestPipeline.LivePath, Health.LiveAsync);
            app.MapGet(root + "/health/ready", Health.ReadyAsync);
            app.MapGet(root + "/health", Health.ReadyAsync);
            app.MapGet(root + "/metrics", Health.MetricsAsync);
            app.MapGet(root + "/openapi.json", OpenApi.ShowAsync);
        }
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

using System.Globalization;

namespace Hadal.Cli.Hub;

/// <summary>Where models come from and go to, as the variables of the hub's own tools say it.</summary>
internal sealed record HubSettings
{
    private const string DefaultEndpoint = "https://huggingface.co";
    private const int DefaultTimeoutSeconds = 10, MaxTokenLength = 4096;

    /// <summary>Address of the hub or of its mirror, without a slash at its end (HF_ENDPOINT).</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>The address as messages show it and requests begin with.</summary>
    public string Hub => Endpoint.AbsoluteUri.TrimEnd('/');

    /// <summary>What the hub knows the user by (HF_TOKEN, or the file the hub's tools keep it in), or null.</summary>
    public required string? Token { get; init; }

    /// <summary>Whether nothing may be asked of the network (HF_HUB_OFFLINE).</summary>
    public required bool IsOffline { get; init; }

    /// <summary>Silence after which a connection counts as dead (HF_HUB_DOWNLOAD_TIMEOUT, in seconds).</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>Whether snapshots are made of copies although the file system has links (HF_HUB_DISABLE_SYMLINKS).</summary>
    public required bool UsesCopies { get; init; }

    /// <summary>Whether bars are unwanted (HF_HUB_DISABLE_PROGRESS_BARS).</summary>
    public required bool HidesProgress { get; init; }

    /// <summary>Reads the variables.</summary>
    /// <exception cref="CommandException">One of them makes no sense.</exception>
    public static HubSettings Read(Shell shell) => new()
    {
        Endpoint = ParseEndpoint(shell.Variable("HF_ENDPOINT") ?? DefaultEndpoint),
        Token = IsOn(shell, "HF_HUB_DISABLE_IMPLICIT_TOKEN") ? null : ReadToken(shell),
        IsOffline = IsOn(shell, "HF_HUB_OFFLINE"),
        Timeout = TimeSpan.FromSeconds(ParseSeconds(shell.Variable("HF_HUB_DOWNLOAD_TIMEOUT"))),
        UsesCopies = IsOn(shell, "HF_HUB_DISABLE_SYMLINKS"),
        HidesProgress = IsOn(shell, "HF_HUB_DISABLE_PROGRESS_BARS"),
    };

    private static bool IsOn(Shell shell, string name) => shell.Variable(name)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    private static Uri ParseEndpoint(string text) =>
        Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out var endpoint) && endpoint is { Scheme: "http" or "https", UserInfo: "", Query: "", Fragment: "" }
            ? endpoint
            : throw CommandException.Usage($"HF_ENDPOINT: expected http://host or https://host, found '{text}'");

    private static int ParseSeconds(string? text) =>
        text is null ? DefaultTimeoutSeconds
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 86400 ? seconds
        : throw CommandException.Usage($"HF_HUB_DOWNLOAD_TIMEOUT: expected seconds from 1 to 86400, found '{text}'");

    private static string? ReadToken(Shell shell)
    {
        if (shell.Variable("HF_TOKEN") is { } token) return Checked(token, "HF_TOKEN");
        var file = shell.Variable("HF_TOKEN_PATH")
            ?? (shell.Variable("HF_HOME") is { } home ? Path.Combine(home, "token")
            : shell.Variable("XDG_CACHE_HOME") is { } cache ? Path.Combine(cache, "huggingface", "token")
            : shell.Home is { } own ? Path.Combine(own, ".cache", "huggingface", "token") : null);
        if (file is null) return null;
        var path = Path.GetFullPath(file, shell.CurrentDirectory);
        if (!File.Exists(path)) return null;
        using var reader = new StreamReader(path);
        var buffer = new char[MaxTokenLength + 1];
        var text = new string(buffer, 0, reader.ReadBlock(buffer)).Trim();
        return text.Length == 0 ? null : Checked(text, path);
    }

    /// <summary>The token, which becomes part of a header.</summary>
    private static string Checked(string token, string where) => token.Trim() is { Length: > 0 and <= MaxTokenLength } text && text.All(unit => unit is > ' ' and <= '~')
        ? text
        : throw CommandException.Failed($"{where}: expected a token of the hub, one word of printable characters");
}

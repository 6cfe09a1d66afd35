using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Hadal.Server.Http;

/// <summary>Who a request is from.</summary>
/// <param name="Name">Name of the key in its file; empty where no key is asked for.</param>
/// <param name="MaxConcurrent">Sequences of this key that may be worked on at once: answers and texts, not only requests.</param>
/// <param name="IsOnly">Whether there is nobody else.</param>
/// <param name="MayLoadAdapters">Whether the operator has named the key as one that may load adapters.</param>
internal sealed record Caller(string Name, int MaxConcurrent, bool IsOnly = false, bool MayLoadAdapters = false)
{
    /// <summary>Whoever calls where no key is asked for.</summary>
    public static Caller Anyone { get; } = new("", int.MaxValue, IsOnly: true);

    /// <summary>Who leaves room for others; without a name where there are none.</summary>
    public string Tenant => IsOnly ? "" : Name;
}

/// <summary>API keys, kept as hashes in a file that is read again when it changes, so that keys are added and withdrawn without a restart.</summary>
/// <remarks>A line is <c>HASH [NAME] [max-concurrent=N] [may=adapters]</c>, HASH the SHA-256 of the key in hexadecimal; lines that begin with <c>#</c> are remarks. The <c>-</c> that <c>sha256sum</c> writes behind a hash may stay. Keys are long random
/// texts, so that a plain hash cannot be guessed back.</remarks>
internal sealed class ApiKeys
{
    private const int MaxFileBytes = 1 << 20;
    private const string Bound = "max-concurrent=";
    private const string Permission = "may=";

    private readonly string _path;
    private readonly Action<string> _log;
    private readonly Lock _reading = new();
    private (DateTime Changed, long Length) _stamp;
    private (byte[] Hash, Caller Caller)[] _keys;
    private string? _fault;

    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="FormatException">A line is not a key, or there is none.</exception>
    public ApiKeys(string path, Action<string> log)
    {
        _path = path;
        _log = log;
        _stamp = StampOf(path);
        _keys = Read(ReadLines(path), path);
        if (_keys.Length == 0) throw new FormatException($"{path}: expected at least one key, found none; printf %s \"$KEY\" | sha256sum writes a line");
    }

    /// <summary>Who a key belongs to, or null. Takes the same time whatever is wrong with the key.</summary>
    public Caller? Find(string key)
    {
        ReadIfChanged();
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(key), hash);
        Caller? found = null;
        foreach (var (known, caller) in Volatile.Read(ref _keys))
            if (CryptographicOperations.FixedTimeEquals(hash, known)) found = caller;
        return found;
    }

    private void ReadIfChanged()
    {
        lock (_reading)
        {
            try
            {
                var stamp = StampOf(_path);
                if (stamp != _stamp)
                {
                    var lines = ReadLines(_path);

                    // A file that could not be read is tried again: what makes it readable does not change its stamp.
                    _stamp = stamp;
                    var keys = Read(lines, _path);
                    if (keys.Length == 0) _log($"{_path}: has no keys any more; nobody is let in");
                    Volatile.Write(ref _keys, keys);
                }

                _fault = null;
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException)
            {
                if (fault.Message != _fault) _log($"the keys stay as they were: {fault.Message}");
                _fault = fault.Message;
            }
        }
    }

    private static (DateTime, long) StampOf(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : throw new FileNotFoundException($"{path}: there is no such file of keys; printf %s \"$KEY\" | sha256sum >> {path} makes one", path);
    }

    private static string[] ReadLines(string path) => new FileInfo(path).Length <= MaxFileBytes
        ? File.ReadAllLines(path)
        : throw new FormatException($"{path}: expected at most {MaxFileBytes} bytes");

    private static (byte[], Caller)[] Read(string[] lines, string path)
    {
        var keys = new List<(byte[], Caller)>();
        for (var i = 0; i < lines.Length; i++)
        {
            var words = lines[i].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 0 && !words[0].StartsWith('#')) keys.Add(ReadLine(words, string.Create(CultureInfo.InvariantCulture, $"{path}, line {i + 1}")));
        }

        // A server with one key is its owner's, who may fill it; two keys of one name are of one caller, while one takes the place of the other.
        var isOnly = keys.Select(key => key.Item2.Name).Distinct().Count() == 1;
        return [.. keys.Select(key => (key.Item1, key.Item2 with { IsOnly = isOnly }))];
    }

    private static (byte[], Caller) ReadLine(string[] words, string place)
    {
        if (words[0].Length != 2 * SHA256.HashSizeInBytes || words[0].Any(unit => !char.IsAsciiHexDigit(unit)))
            throw new FormatException($"{place}: expected the SHA-256 of a key in 64 hexadecimal digits; printf %s \"$KEY\" | sha256sum writes it");
        var (name, maxConcurrent, mayLoadAdapters) = ((string?)null, int.MaxValue, false);

        // Behind a hash of its standard input sha256sum writes a dash, with a star where it was told that they are bytes.
        foreach (var word in words.Skip(words.Length > 1 && words[1] is "-" or "*-" ? 2 : 1))
            if (word.StartsWith(Bound, StringComparison.Ordinal))
            {
                if (!int.TryParse(word.AsSpan(Bound.Length), NumberStyles.None, CultureInfo.InvariantCulture, out maxConcurrent) || maxConcurrent < 1)
                    throw new FormatException($"{place}: expected {Bound}N with N from 1, found '{word}'");
            }
            else if (word.StartsWith(Permission, StringComparison.Ordinal))
                mayLoadAdapters = word == Permission + "adapters" ? true : throw new FormatException($"{place}: expected {Permission}adapters, found '{word}'");
            else if (name is null) name = word;
            else throw new FormatException($"{place}: expected a hash, one name, {Bound}N and {Permission}adapters, found '{word}' behind the name '{name}'");
        return (Convert.FromHexString(words[0]), new Caller(name ?? words[0][..8], maxConcurrent, MayLoadAdapters: mayLoadAdapters));
    }
}

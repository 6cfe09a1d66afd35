using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Adapters;

/// <summary>Which model an adapter was trained beside. It stands in a file of its own, <see cref="FileName"/>, which peft does not read.</summary>
/// <param name="Sha256">Hash of names, formats, shapes and a sample of each weight, in hexadecimal.</param>
/// <param name="Formats">Formats of its matrices. In other formats the same model has another hash, which then says nothing.</param>
public sealed record AdapterBase(string Sha256, string Formats)
{
    /// <summary>Name of the file beside <c>adapter_config.json</c>.</summary>
    public const string FileName = "base_model.json";

    /// <summary>Bytes of each weight that are hashed: models that were trained apart differ everywhere, and a model of hundreds of gigabytes is told in a second.</summary>
    private const int SampleBytes = 4096;

    /// <summary>Describes an open model.</summary>
    public static unsafe AdapterBase Of(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in checkpoint.Tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name} {tensor.DType} {string.Join('x', tensor.Shape)}\n")));
            var count = Math.Min(SampleBytes, tensor.ByteLength);
            hash.AppendData(new ReadOnlySpan<byte>(tensor.Data + ((tensor.ByteLength - count) / 2), (int)count));
        }

        var formats = checkpoint.Tensors.Values.Where(tensor => tensor.Shape.Count > 1).Select(tensor => tensor.DType.ToString()).Distinct().Order(StringComparer.Ordinal);
        return new AdapterBase(Convert.ToHexStringLower(hash.GetHashAndReset()), string.Join(' ', formats));
    }

    /// <summary>Writes the file into the folder of an adapter.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(string directory) => AtomicFile.Write(Path.Combine(directory, FileName), stream => JsonSerializer.Serialize(stream, this, ConfigJson.Default.AdapterBase));

    /// <summary>Reads it from the folder of an adapter; null where there is none.</summary>
    /// <exception cref="CheckpointException">It is damaged.</exception>
    internal static AdapterBase? Read(CheckpointFolder folder)
    {
        const int MaxBytes = 1 << 16;
        if (folder.TryRead(FileName, MaxBytes) is not { } json) return null;
        var where = Path.Combine(folder.Path, FileName);
        try
        {
            return JsonSerializer.Deserialize(json.Span, ConfigJson.Default.AdapterBase) is { Sha256: not null, Formats: not null } mark
                ? mark
                : throw new CheckpointException($"{where}: expected sha256 and formats; remove the file if nobody knows the model");
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{where}: is not valid: {fault.Message}; remove the file if nobody knows the model", fault);
        }
    }
}

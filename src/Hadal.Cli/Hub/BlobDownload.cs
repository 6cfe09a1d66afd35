using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Hadal.Cli.Hub;

/// <summary>Fetches files of one commit, segment by segment and several at once.</summary>
/// <param name="client">The hub.</param>
/// <param name="patience">Tries again.</param>
/// <param name="name">The model.</param>
/// <param name="commit">The commit.</param>
/// <param name="report">Told of bytes that have come; of fewer than none where they have to come again.</param>
internal sealed class BlobDownload(HubClient client, Patience patience, HubName name, string commit, Action<HubFile, long> report) : IDisposable
{
    private const int MaxConnections = 8, BufferBytes = 256 << 10;
    private readonly SemaphoreSlim _connections = new(MaxConnections);

    /// <inheritdoc/>
    public void Dispose() => _connections.Dispose();

    /// <summary>Fetches what a file lacks.</summary>
    /// <exception cref="CommandException">The hub does not give it, or it cannot be written.</exception>
    public async Task RunAsync(HubFile file, PartialFile partial, CancellationToken cancellation)
    {
        var missing = Enumerable.Range(0, partial.SegmentCount).Where(segment => partial.DoneOf(segment) < partial.LengthOf(segment)).ToList();
        var options = new ParallelOptions { MaxDegreeOfParallelism = MaxConnections, CancellationToken = cancellation };
        var hasRanges = true;
        await Parallel.ForEachAsync(missing, options, async (segment, token) =>
        {
            await _connections.WaitAsync(token).ConfigureAwait(false);
            try
            {
                if (hasRanges && !await patience.TryAsync(() => FetchSegmentAsync(file, partial, segment, token), () => partial.DoneOf(segment), token).ConfigureAwait(false)) hasRanges = false;
            }
            finally
            {
                _connections.Release();
            }
        }).ConfigureAwait(false);
        if (!hasRanges) await patience.TryAsync(() => FetchWholeAsync(file, partial, cancellation), () => partial.TotalDone, cancellation).ConfigureAwait(false);
    }

    /// <returns>False where the server gives whole files only, and the file is more than this segment.</returns>
    private async Task<bool> FetchSegmentAsync(HubFile file, PartialFile partial, int segment, CancellationToken cancellation)
    {
        var begin = partial.BeginOf(segment) + partial.DoneOf(segment);
        var end = partial.BeginOf(segment) + partial.LengthOf(segment);
        if (begin == end) return true;
        using var response = await client.OpenAsync(name, commit, file, new RangeHeaderValue(begin, end - 1), cancellation).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            if (partial.SegmentCount > 1) return false;
            Restart(file, partial);
            CheckLength(file, response, file.Size);
        }
        else
        {
            if (response.Content.Headers.ContentRange is not { Unit: "bytes" } range || range.From != begin || range.To != end - 1 || (range.Length ?? file.Size) != file.Size)
            {
                throw new HubFault(string.Create(
                    CultureInfo.InvariantCulture, $"{name}/{file.Path}: expected 'bytes {begin}-{end - 1}/{file.Size}', found '{response.Content.Headers.ContentRange}'; the server is not to be trusted"), isTransient: false);
            }

            CheckLength(file, response, end - begin);
        }

        await ReadAsync(file, partial, segment, response, cancellation).ConfigureAwait(false);
        return true;
    }

    private async Task<bool> FetchWholeAsync(HubFile file, PartialFile partial, CancellationToken cancellation)
    {
        Restart(file, partial);
        using var response = await client.OpenAsync(name, commit, file, null, cancellation).ConfigureAwait(false);
        CheckLength(file, response, file.Size);
        for (var segment = 0; segment < partial.SegmentCount; segment++) await ReadAsync(file, partial, segment, response, cancellation).ConfigureAwait(false);
        return true;
    }

    private void Restart(HubFile file, PartialFile partial)
    {
        report(file, -partial.TotalDone);
        partial.Clear();
    }

    private void CheckLength(HubFile file, HttpResponseMessage response, long expected)
    {
        if (response.Content.Headers.ContentEncoding.Count > 0)
            throw new HubFault($"{name}/{file.Path}: came as {string.Join(", ", response.Content.Headers.ContentEncoding)}, expected the bytes as they are", isTransient: false);
        if (response.Content.Headers.ContentLength is { } length && length != expected)
            throw new HubFault(string.Create(CultureInfo.InvariantCulture, $"{name}/{file.Path}: expected {expected} bytes, found {length} announced; the server is not to be trusted"), isTransient: false);
    }

    private async Task ReadAsync(HubFile file, PartialFile partial, int segment, HttpResponseMessage response, CancellationToken cancellation)
    {
        var what = $"{name}/{file.Path}";
        var stream = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (partial.LengthOf(segment) - partial.DoneOf(segment) is var left and > 0)
            {
                var count = await client.ReadAsync(stream, buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), what, cancellation).ConfigureAwait(false);
                if (count == 0) throw new HubFault($"{what}: the connection was cut", isTransient: true);
                Append(partial, segment, buffer.AsSpan(0, count));
                report(file, count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Append(PartialFile partial, int segment, ReadOnlySpan<byte> bytes)
    {
        try
        {
            partial.Append(segment, bytes);
        }
        catch (IOException fault)
        {
            throw CommandException.Failed($"{partial.Path}: cannot be written: {fault.Message}; what was downloaded stays, the same command goes on with it", fault);
        }
    }
}

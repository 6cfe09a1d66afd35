using System.Collections;
using System.Globalization;
using System.Text.Json;
using Parquet;
using Parquet.Serialization;

namespace Hadal.Training.Data.Records;

/// <summary>Rows of a Parquet file, one row group in memory at a time, which is why a group has a bound; lists and structs become JSON lists and objects. A value of another kind is a fault of its column
/// only, told to whoever reads it.</summary>
internal static class ParquetRows
{
    /// <summary>Bytes of a row group at most, uncompressed: short texts take eight times that in memory (<c>bench/records.cs</c>).</summary>
    private const long MaxGroupBytes = 512L << 20;

    /// <summary>All rows, numbered from 1.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellation">Looked at between groups.</param>
    /// <param name="maxGroupBytes">Bytes of a row group at most, uncompressed.</param>
    /// <exception cref="TrainingException">It is no Parquet file, or a row group is too large; told before any row.</exception>
    public static IEnumerable<(long Line, JsonElement Fields, IReadOnlyDictionary<string, string>? Faults)> Read(string path, CancellationToken cancellation, long maxGroupBytes = MaxGroupBytes)
    {
        using var file = RegularFile.Open(path, path);
        var sizes = GroupSizes(path, file, cancellation);
        if (sizes.FirstOrDefault(size => size > maxGroupBytes) is > 0 and var largest)
        {
            throw new TrainingException($"{path}: row group {sizes.ToList().IndexOf(largest) + 1} of {sizes.Count} has {largest >> 10} KiB uncompressed, expected at most {maxGroupBytes >> 10}, because a group is in memory as a whole; "
                + "write it again with smaller groups (pyarrow.parquet.write_table has row_group_size=10000 for that), or as JSON lines");
        }

        var number = 0L;
        for (var group = 0; group < sizes.Count; group++)
        {
            foreach (var row in Group(path, file, group, cancellation)) yield return Record(++number, row);
        }
    }

    /// <summary>Uncompressed bytes of each row group, as the file says.</summary>
    private static IReadOnlyList<long> GroupSizes(string path, FileStream file, CancellationToken cancellation) => Guarded<IReadOnlyList<long>>(path, async () =>
    {
        var reader = await ParquetReader.CreateAsync(file, leaveStreamOpen: true, cancellationToken: cancellation).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
            return [.. reader.RowGroups.Select(group => Math.Max(group.RowGroup.TotalByteSize, group.RowGroup.Columns.Sum(column => column.MetaData?.TotalUncompressedSize ?? 0)))];
    });

    private static IEnumerable<Dictionary<string, object>> Group(string path, FileStream file, int group, CancellationToken cancellation)
    {
        file.Position = 0;
        return Guarded(path, async () => (await ParquetSerializer.DeserializeUntypedAsync(file, null, group, cancellation).ConfigureAwait(false)).Data);
    }

    private static (long, JsonElement, IReadOnlyDictionary<string, string>?) Record(long number, Dictionary<string, object> row)
    {
        Dictionary<string, string>? faults = null;
        foreach (var (name, value) in row)
            if (FaultOf(value, name) is { } fault) (faults ??= new Dictionary<string, string>(StringComparer.Ordinal))[name] = fault;
        var fields = RecordReader.ObjectOf(writer =>
        {
            foreach (var (name, value) in row)
            {
                if (faults is not null && faults.ContainsKey(name)) continue;
                writer.WritePropertyName(name);
                Write(writer, value);
            }
        });
        return (number, fields, faults);
    }

    /// <summary>What is wrong with a value, or null.</summary>
    private static string? FaultOf(object? value, string where) => value switch
    {
        float real when !float.IsFinite(real) => $"{where}: expected a finite number, found {real}",
        double real when !double.IsFinite(real) => $"{where}: expected a finite number, found {real}",
        null or ReadOnlyMemory<char> or string or bool or sbyte or byte or short or ushort or int or uint or long or ulong or decimal or float or double => null,
        IDictionary<string, object> members => members.Select(member => FaultOf(member.Value, $"{where}.{member.Key}")).FirstOrDefault(fault => fault is not null),
        byte[] => $"{where}: is a column of bytes, expected text, numbers, lists or structs",
        IEnumerable items => items.Cast<object?>().Select(item => FaultOf(item, where)).FirstOrDefault(fault => fault is not null),
        _ => $"{where}: is a column of {value.GetType().Name}, expected text, numbers, lists or structs",
    };

    private static void Write(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case ReadOnlyMemory<char> text: writer.WriteStringValue(text.Span); break;
            case string text: writer.WriteStringValue(text); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case ulong number: writer.WriteNumberValue(number); break;
            case decimal number: writer.WriteNumberValue(number); break;
            case float or double: writer.WriteNumberValue(Convert.ToDouble(value, CultureInfo.InvariantCulture)); break;
            case IDictionary<string, object> members:
                writer.WriteStartObject();
                foreach (var (name, member) in members)
                {
                    writer.WritePropertyName(name);
                    Write(writer, member);
                }

                writer.WriteEndObject();
                break;
            case IEnumerable items:
                writer.WriteStartArray();
                foreach (var item in items) Write(writer, item);
                writer.WriteEndArray();
                break;
            default: writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
        }
    }

    /// <summary>Waits for the library and says in one line what it found wrong with the file. It computes with the numbers in it before it checks them, so that damage ends in any kind of exception:
    /// whatever it throws is about the file.</summary>
    private static T Guarded<T>(string path, Func<Task<T>> read)
    {
        try
        {
            return read().GetAwaiter().GetResult();
        }
        catch (Exception fault) when (fault.GetBaseException() is not (OperationCanceledException or OutOfMemoryException))
        {
            throw new TrainingException($"{path}: cannot be read as Parquet, it is damaged or of a kind that is not read: {fault.GetBaseException().Message.ReplaceLineEndings(" ")}", fault);
        }
    }
}

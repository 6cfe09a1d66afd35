using System.Collections;
using System.Globalization;
using System.Text.Json;
using Parquet;
using Parquet.Serialization;

namespace Hadal.Training.Data.Records;

/// <summary>Rows of a Parquet file, one row group in memory at a time; lists and structs become JSON lists and objects.</summary>
internal static class ParquetRows
{
    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(string path, CancellationToken cancellation)
    {
        using var file = RegularFile.Open(path, path);
        var number = 0L;
        for (int group = 0, groups = GroupCount(path, file, cancellation); group < groups; group++)
        {
            foreach (var row in Group(path, file, group, cancellation)) yield return Record(++number, row);
        }
    }

    private static int GroupCount(string path, FileStream file, CancellationToken cancellation) => Guarded(path, async () =>
    {
        var reader = await ParquetReader.CreateAsync(file, leaveStreamOpen: true, cancellationToken: cancellation).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false)) return reader.RowGroupCount;
    });

    private static IEnumerable<Dictionary<string, object>> Group(string path, FileStream file, int group, CancellationToken cancellation)
    {
        file.Position = 0;
        return Guarded(path, async () => (await ParquetSerializer.DeserializeUntypedAsync(file, null, group, cancellation).ConfigureAwait(false)).Data);
    }

    private static (long, JsonElement, string?) Record(long number, Dictionary<string, object> row)
    {
        try
        {
            return (number, RecordReader.ObjectOf(writer =>
            {
                foreach (var (name, value) in row)
                {
                    writer.WritePropertyName(name);
                    Write(writer, value, name);
                }
            }), null);
        }
        catch (BadRecordException fault)
        {
            return (number, default, fault.Message);
        }
    }

    private static void Write(Utf8JsonWriter writer, object? value, string where)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case ReadOnlyMemory<char> text: writer.WriteStringValue(text.Span); break;
            case string text: writer.WriteStringValue(text); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case sbyte or byte or short or ushort or int or uint or long: writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case ulong number: writer.WriteNumberValue(number); break;
            case decimal number: writer.WriteNumberValue(number); break;
            case float or double:
                var real = Convert.ToDouble(value, CultureInfo.InvariantCulture);
                if (!double.IsFinite(real)) throw new BadRecordException($"{where}: expected a finite number, found {real}");
                writer.WriteNumberValue(real);
                break;
            case IDictionary<string, object> members:
                writer.WriteStartObject();
                foreach (var (name, member) in members)
                {
                    writer.WritePropertyName(name);
                    Write(writer, member, $"{where}.{name}");
                }

                writer.WriteEndObject();
                break;
            case byte[]: throw new BadRecordException($"{where}: is a column of bytes, expected text, numbers, lists or structs");
            case IEnumerable items:
                writer.WriteStartArray();
                foreach (var item in items) Write(writer, item, where);
                writer.WriteEndArray();
                break;
            default: throw new BadRecordException($"{where}: is a column of {value.GetType().Name}, expected text, numbers, lists or structs");
        }
    }

    /// <summary>Waits for the library and says in one line what it found wrong with the file.</summary>
    private static T Guarded<T>(string path, Func<Task<T>> read)
    {
        try
        {
            return read().GetAwaiter().GetResult();
        }
        catch (Exception fault) when (fault is IOException or InvalidDataException or ParquetException or NotSupportedException or InvalidOperationException or ArgumentException or OverflowException)
        {
            throw new TrainingException($"{path}: cannot be read as Parquet: {fault.Message.ReplaceLineEndings(" ")}", fault);
        }
    }
}

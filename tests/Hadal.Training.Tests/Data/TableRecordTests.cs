using System.IO.Compression;
using System.Text;
using Hadal.Training.Data.Records;

namespace Hadal.Training.Tests.Data;

/// <summary>Tables of other programs are read as records of a trainer are.</summary>
public sealed class TableRecordTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-tables-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Values_of_every_kind_are_texts()
    {
        var lines = Write("a.jsonl", "{\"text\":\"a\",\"label\":2,\"is\":true,\"of\":[1, 2]}\n\n{\"text\":null}\n");
        var records = TableRecord.Read(lines).ToList();
        Assert.Equal(["a", "2", "true", "[1, 2]"], ((string[])["text", "label", "is", "of"]).Select(name => records[0][name]));
        Assert.Null(records[1].Find("text"));
        Assert.Equal($"{lines}:3", records[1].Where);

        var table = Write("a.csv.gz", "\uFEFFtext,label\r\n\"a, \"\"b\"\"\",2\r\n\r\n");
        Assert.Equal(("a, \"b\"", "2", $"{table}:2"), TableRecord.Read(table).Select(record => (record["text"], record["label"], record.Where)).Single());
    }

    [Theory]
    [InlineData("a.csv", "text,label\na,1\n\"a \"b\" c,0\n", "a.csv:3: text follows a closing quotation mark")]
    [InlineData("a.csv", "text\na\n", "a.csv:2: label: missing; the record has text")]
    [InlineData("a.jsonl", "{}", "a.jsonl:1: label: missing; the record has nothing")]
    [InlineData("a.jsonl", "{\"label\":\"\\ud83d\"}", "a.jsonl:1: label: expected Unicode text")]
    [InlineData("a.jsonl", "{\"label\":\"\xff\"}", "a.jsonl:1: is no UTF-8")]
    [InlineData("a.doc", "a", "a.doc: expected a name that ends in")]
    public void What_cannot_be_read_is_said_with_its_line(string name, string content, string fault)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, content, Encoding.Latin1);
        Assert.StartsWith(Path.Combine(_folder.FullName, fault), Assert.Throws<TrainingException>(() => TableRecord.Read(path).Select(record => record["label"]).ToList()).Message, StringComparison.Ordinal);
    }

    private string Write(string name, string content)
    {
        var path = Path.Combine(_folder.FullName, name);
        using var file = File.Create(path);
        using Stream target = name.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionLevel.Fastest) : file;
        target.Write(Encoding.UTF8.GetBytes(content));
        return path;
    }
}

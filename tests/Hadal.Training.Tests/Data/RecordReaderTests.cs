using System.IO.Compression;
using System.Text;
using Hadal.Training.Data.Records;
using Parquet.Serialization;

namespace Hadal.Training.Tests.Data;

/// <summary>The doors through which records come.</summary>
public sealed class RecordReaderTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-records-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("a.jsonl")]
    [InlineData("a.jsonl.gz")]
    public void Json_lines_are_read_with_their_line_and_bad_ones_are_said(string name)
    {
        Write(name, "\uFEFF{\"text\": \"海\"}\r\n\n  {\"text\": \"\\u6d77\"}\n{\"text\": \n{\"a\": 1, \"a\": 2}\n\"x\"\n[{\"text\": 1}]\n{\"text\": \"end\"}");
        var records = Read(new RecordSource { Path = name });
        Assert.Equal([1, 3, 4, 5, 6, 7, 8], records.Select(record => record.Line));
        Assert.Equal(["海", "海", null, null, null, null, "end"], records.Select(record => record.Fault is null ? record.Text("text") : null));
        Assert.Matches("^is no JSON: byte [0-9]+: ", records[2].Fault!);
        Assert.Equal("expected a JSON object, found \"x\"", records[4].Fault);
        Assert.Contains("write one record a line", records[5].Fault, StringComparison.Ordinal);
        Assert.Equal($"{Path.Combine(_folder.FullName, name)}:4: why", records[2].Describe("why"));
    }

    [Fact]
    public void Bytes_that_are_no_text_are_a_fault_of_their_line_only()
    {
        File.WriteAllBytes(Path.Combine(_folder.FullName, "a.jsonl"), [.. "{\"text\": \""u8, 0xC3, 0x28, .. "\"}\n{\"text\": \"b\"}\n"u8]);
        var records = Read(new RecordSource { Path = "a.jsonl" });
        Assert.Equal(["is no UTF-8; convert the file, for example with iconv -t UTF-8", null], records.Select(record => record.Fault));
    }

    [Fact]
    public void Separated_values_keep_quotes_commas_and_line_ends_and_know_the_line_they_begin_in()
    {
        Write("a.csv", "text,label\r\nplain,1\n\"a, \"\"b\"\"\nc\",2\n\none\nx,\n\"open,3");
        var records = Read(new RecordSource { Path = "a.csv" });
        Assert.Equal([2, 3, 6, 7, 8], records.Select(record => record.Line));
        Assert.Equal("a, \"b\"\nc", records[1].Text("text"));
        Assert.Equal("2", records[1].Text("label"));
        Assert.Equal("expected 2 values, as the first line has names, found 1", records[2].Fault);
        Assert.Equal("", records[3].Text("label"));
        Assert.Equal("a quotation mark is never closed", records[4].Fault);
        Write("a.tsv", "text\tlabel\na,b\tc\n");
        Assert.Equal("a,b", Read(new RecordSource { Path = "a.tsv" }).Single().Text("text"));
    }

    [Fact]
    public void A_byte_of_another_encoding_is_a_fault_of_its_row_only_in_every_kind_of_text()
    {
        byte[] latin = [.. "caf"u8, 0xE9];
        File.WriteAllBytes(Path.Combine(_folder.FullName, "a.csv"), [.. "text,label\nsea,1\n"u8, .. latin, .. ",1\nsalt,0\n\"deep\n"u8, .. latin, .. "\",0\nfish,1\n"u8]);
        var records = Read(new RecordSource { Path = "a.csv" });
        Assert.Equal([2, 3, 4, 6, 7], records.Select(record => record.Line));
        Assert.Equal(["sea", null, "salt", null, "fish"], records.Select(record => record.Fault is null ? record.Text("text") : null));
        Assert.StartsWith("is no UTF-8; convert the file", records[1].Fault, StringComparison.Ordinal);
        File.WriteAllBytes(Path.Combine(_folder.FullName, "a.txt"), [.. "sea\n--\ndeep\n"u8, .. latin, .. "\n--\nsalt"u8]);
        Assert.Equal([(1, null), (4, "is no UTF-8; convert the file, for example with iconv -t UTF-8"), (6, null)], Read(new RecordSource { Path = "a.txt", Separator = "--" }).Select(record => ((int)record.Line, record.Fault)));
    }

    [Theory]
    [InlineData("utf-16")]
    [InlineData("utf-16BE")]
    [InlineData("utf-32")]
    public void A_file_whose_first_bytes_name_its_encoding_is_read_in_it(string name)
    {
        var encoding = Encoding.GetEncoding(name);
        File.WriteAllBytes(Path.Combine(_folder.FullName, "a.tsv"), [.. encoding.GetPreamble(), .. encoding.GetBytes("text\tlabel\r\n深海 \U0001F30A\t1\r\n")]);
        var record = Read(new RecordSource { Path = "a.tsv" }).Single();
        Assert.Equal(("深海 \U0001F30A", "1"), (record.Text("text"), record.Text("label")));
    }

    [Fact]
    public void A_quote_that_is_left_open_costs_its_line_and_none_behind_it()
    {
        var rows = Enumerable.Range(0, 40).Select(row => row switch { 9 => "\"open,1", 20 => "\"two\nlines\",1", 30 => "\"open too,1", 32 => "\"quoted\",1", _ => $"text {row},{row % 2}" });
        Write("a.csv", "text,label\n" + string.Join('\n', rows) + "\n");
        var records = Read(new RecordSource { Path = "a.csv" });
        Assert.Equal(40, records.Count);
        Assert.Equal([11, 33], records.Where(record => record.Fault is not null).Select(record => record.Line));
        Assert.Equal("two\nlines", records[20].Text("text"));
        Assert.Equal("quoted", records[32].Text("text"));
        Assert.All(records.Where(record => record.Fault is not null), record => Assert.Equal("text follows a closing quotation mark", record.Fault));

        // The last one has no partner at all.
        Write("b.csv", "text,label\na,1\n\"open,1\nb,2\nc,3\n");
        records = Read(new RecordSource { Path = "b.csv" });
        Assert.Equal([2, 3, 4, 5], records.Select(record => record.Line));
        Assert.Equal([null, "a quotation mark is never closed", null, null], records.Select(record => record.Fault));
    }

    [Fact]
    public async Task Parquet_gives_texts_numbers_lists_and_structs_group_by_group()
    {
        var path = Path.Combine(_folder.FullName, "a.parquet");
        for (var group = 0; group < 3; group++)
        {
            var rows = Enumerable.Range(group * 4, 4).Select(index => new Row
            {
                Text = index == 5 ? null : $"text {index}", Label = index, Score = index / 2.0, IsGood = index % 2 == 0, Tags = ["a", "b"],
                Messages = [new Message { Role = "user", Content = $"q {index}" }, new Message { Role = "assistant", Content = "a" }],
            }).ToList();
            await using var stream = new FileStream(path, group == 0 ? FileMode.Create : FileMode.Open, FileAccess.ReadWrite);
            await ParquetSerializer.SerializeAsync(rows, stream, new Parquet.ParquetOptions { Append = group > 0 }, cancellationToken: TestContext.Current.CancellationToken);
        }

        var records = Read(new RecordSource { Path = "a.parquet", Columns = new Dictionary<string, string> { ["answer"] = "Text" } });
        Assert.Equal(Enumerable.Range(1, 12).Select(line => (long)line), records.Select(record => record.Line));
        Assert.All(records, record => Assert.Null(record.Fault));
        Assert.Equal("text 11", records[11].Text("answer"));
        Assert.False(records[5].TryGet("Text", out _));
        Assert.Equal("""{"Text":"text 7","Label":7,"Score":3.5,"IsGood":false,"Tags":["a","b"],"Messages":[{"Role":"user","Content":"q 7"},{"Role":"assistant","Content":"a"}]}""", records[7].Fields.GetRawText());

        File.WriteAllBytes(path, [.. File.ReadAllBytes(path).Take(300)]);
        Assert.Contains("cannot be read as Parquet", Assert.Throws<TrainingException>(() => Read(new RecordSource { Path = "a.parquet" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damaged_parquet_is_a_fault_of_the_file_wherever_the_damage_is()
    {
        var path = Path.Combine(_folder.FullName, "d.parquet");
        await using (var stream = File.Create(path))
            await ParquetSerializer.SerializeAsync(Enumerable.Range(0, 3).Select(index => new Row { Text = $"t{index}", Label = index, Tags = ["a"], Messages = [new Message { Role = "user", Content = "q" }] }).ToList(), stream, cancellationToken: TestContext.Current.CancellationToken);
        var bytes = File.ReadAllBytes(path);
        var (refused, read) = (0, 0);
        for (var place = 0; place < bytes.Length; place += 5)
        {
            var damaged = (byte[])bytes.Clone();
            damaged[place] ^= (byte)(1 << (place % 8));
            File.WriteAllBytes(path, damaged);
            try
            {
                Read(new RecordSource { Path = "d.parquet" });
                read++;
            }
            catch (TrainingException fault)
            {
                refused++;
                Assert.StartsWith(path, fault.Message, StringComparison.Ordinal);
            }
        }

        Assert.True(refused > 20 && read > 20, $"{refused} refused, {read} read");
    }

    [Fact]
    public void A_record_larger_than_the_bound_is_bad_and_the_next_one_is_read()
    {
        var path = Path.Combine(_folder.FullName, "large.jsonl");
        using (var file = File.Create(path))
        {
            file.Write("{\"text\": \""u8);
            var block = Enumerable.Repeat((byte)'a', 1 << 20).ToArray();
            for (var size = 0; size < RecordReader.MaxRecordBytes; size += block.Length) file.Write(block);
            file.Write("\"}\n{\"text\": \"b\"}\n"u8);
        }

        var records = Read(new RecordSource { Path = "large.jsonl" });
        Assert.Equal(["is longer than 67108864 bytes", null], records.Select(record => record.Fault));
        Assert.Equal("b", records[1].Text("text"));
    }

    [Fact]
    public void A_row_of_many_lines_that_is_larger_than_the_bound_is_bad_and_what_follows_is_read_as_rows()
    {
        using (var file = File.Create(Path.Combine(_folder.FullName, "large.csv")))
        {
            file.Write("text\n\""u8);
            byte[] line = [.. Enumerable.Repeat((byte)'a', 1 << 24), (byte)'\n'];
            for (var index = 0; index < 5; index++) file.Write(line);
            file.Write("\"\nb\n"u8);
        }

        var records = Read(new RecordSource { Path = "large.csv" });
        Assert.Equal("is longer than 67108864 characters", records[0].Fault);
        Assert.Equal(2, records[0].Line);
        Assert.Equal("b", records[^1].Text("text"));
    }

    [Theory]
    [InlineData("a.csv", "text,inptu\na,b\n", "text, inptu")]
    [InlineData("a.jsonl", "{\"text\": \"a\", \"inptu\": 1}\n{\n", "text, inptu")]
    public void A_column_that_no_record_has_is_told_behind_the_last(string name, string content, string columns)
    {
        Write(name, content);
        var source = new RecordSource { Path = name, Columns = new Dictionary<string, string> { ["input"] = "input", ["words"] = "text" } };
        Assert.Equal($"{Path.Combine(_folder.FullName, name)}: columns: no record has input, which is to be input; the last one has {columns}", Assert.Throws<TrainingException>(() => Read(source)).Message);
        Write(name, content.Replace("inptu", "input", StringComparison.Ordinal));
        Assert.Equal("a", Read(source)[0].Text("words"));
    }

    [Fact]
    public async Task A_row_group_of_parquet_that_memory_may_not_hold_is_refused_before_any_row_is_read()
    {
        var path = Path.Combine(_folder.FullName, "c.parquet");
        foreach (var (group, count) in ((int, int)[])[(0, 10), (1, 3000)])
        {
            await using var stream = new FileStream(path, group == 0 ? FileMode.Create : FileMode.Open, FileAccess.ReadWrite);
            await ParquetSerializer.SerializeAsync(Enumerable.Range(0, count).Select(index => new Mixed { Text = $"text {index}", Picture = [1], Score = index }).ToList(), stream, new Parquet.ParquetOptions { Append = group > 0 }, cancellationToken: TestContext.Current.CancellationToken);
        }

        Assert.Equal(3010, ParquetRows.Read(path, TestContext.Current.CancellationToken).Count());
        var rows = ParquetRows.Read(path, TestContext.Current.CancellationToken, maxGroupBytes: 20_000).GetEnumerator();
        Assert.Matches("c.parquet: row group 2 of 2 has [0-9]+ KiB uncompressed, expected at most 19, because .* row_group_size=10000", Assert.Throws<TrainingException>(() => rows.MoveNext()).Message);
    }

    [Fact]
    public async Task Columns_of_parquet_that_nobody_reads_make_no_row_bad()
    {
        var path = Path.Combine(_folder.FullName, "b.parquet");
        await using (var stream = File.Create(path))
        {
            var rows = Enumerable.Range(0, 3).Select(index => new Mixed { Text = $"text {index}", Picture = [1, 2], Score = index == 1 ? double.NaN : index }).ToList();
            await ParquetSerializer.SerializeAsync(rows, stream, cancellationToken: TestContext.Current.CancellationToken);
        }

        var records = Read(new RecordSource { Path = "b.parquet", Columns = new Dictionary<string, string> { ["text"] = "Text", ["image"] = "Picture" } });
        Assert.All(records, record => Assert.Null(record.Fault));
        Assert.Equal(["text 0", "text 1", "text 2"], records.Select(record => record.Text("text")));
        Assert.StartsWith("Picture: is a column of ", Assert.Throws<BadRecordException>(() => records[0].TryGet("image", out _)).Message, StringComparison.Ordinal);
        Assert.True(records[0].TryGet("Score", out _));
        Assert.Equal("Score: expected a finite number, found NaN", Assert.Throws<BadRecordException>(() => records[1].TryGet("Score", out _)).Message);
    }

    [Fact]
    public void Plain_text_is_one_record_or_many_between_lines()
    {
        Write("a.txt", "one\r\ntwo\n\nthree\n\n\n");
        Assert.Equal(["one\ntwo\n\nthree\n\n\n"], Read(new RecordSource { Path = "a.txt" }).Select(record => record.Text("text")));
        Assert.Equal([(1, "one\ntwo\n"), (4, "three\n")], Read(new RecordSource { Path = "a.txt", Separator = "" }).Select(record => ((int)record.Line, record.Text("text"))));
        Write("b.txt", "one\n<|end|>\ntwo\n");
        Assert.Equal([(1, "one\n"), (3, "two\n")], Read(new RecordSource { Path = "b.txt", Separator = "<|end|>" }).Select(record => ((int)record.Line, record.Text("text"))));
    }

    [Fact]
    public void Columns_go_by_the_names_that_are_looked_for_and_a_missing_one_is_said_in_the_files_words()
    {
        Write("a.jsonl", "{\"question\": \"why?\", \"n\": null}\n{\"answer\": \"so\"}");
        var record = Read(new RecordSource { Path = "a.jsonl", Columns = new Dictionary<string, string> { ["instruction"] = "question", ["output"] = "answer" } })[0];
        Assert.Equal("why?", record.Text("instruction"));
        Assert.Equal("answer: missing; the record has question, n", Assert.Throws<BadRecordException>(() => record.Text("output")).Message);
        Assert.Null(record.TextOrNull("n"));
    }

    [Fact]
    public void A_damaged_or_foreign_file_is_refused_in_one_line()
    {
        File.WriteAllBytes(Path.Combine(_folder.FullName, "a.csv.gz"), [1, 2, 3]);
        Assert.Contains("is no gzip file", Refusal("a.csv.gz"), StringComparison.Ordinal);
        File.WriteAllBytes(Path.Combine(_folder.FullName, "a.csv"), [0xFF, 0xFE, 0x00, 0xD8, 0x0A, 0x00]);
        Assert.Contains("begins as UTF-16 or UTF-32 and is none", Refusal("a.csv"), StringComparison.Ordinal);
        Write("a.docx", "x");
        Assert.Contains("expected a name that ends in .jsonl", Refusal("a.docx"), StringComparison.Ordinal);

        string Refusal(string name) => Assert.Throws<TrainingException>(() => Read(new RecordSource { Path = name })).Message;
    }

    private List<DataRecord> Read(RecordSource source) => [.. RecordReader.Read(source, _folder.FullName, CancellationToken.None)];

    private void Write(string name, string content)
    {
        using Stream file = File.Create(Path.Combine(_folder.FullName, name));
        using var stream = name.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionLevel.Fastest) : file;
        stream.Write(Encoding.UTF8.GetBytes(content));
    }

    public sealed class Message
    {
        public string? Role { get; set; }

        public string? Content { get; set; }
    }

    public sealed class Mixed
    {
        public string? Text { get; set; }

        public byte[]? Picture { get; set; }

        public double Score { get; set; }
    }

    public sealed class Row
    {
        public string? Text { get; set; }

        public int Label { get; set; }

        public double Score { get; set; }

        public bool IsGood { get; set; }

        public List<string>? Tags { get; set; }

        public List<Message>? Messages { get; set; }
    }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data.Examples;
using Hadal.Training.Data.Records;
using Hadal.Training.Tests.Trainers;

namespace Hadal.Training.Tests.Data;

/// <summary>What is learnt of a record, and which examples a step reads.</summary>
public sealed class ExampleTests : IDisposable
{
    /// <summary>Leaves the thoughts of earlier answers out, and asks for thoughts where an answer shall begin, as DeepSeek-R1's does.</summary>
    private const string Thinking =
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}<｜User｜>{{ m['content'] }}{% else %}<｜Assistant｜>"
        + "{% if loop.last %}<think>{{ m['reasoning_content'] }}</think>{% endif %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>{% endif %}";

    /// <summary>Writes messages of three roles and nothing else, as that of hadal-mini-chat does.</summary>
    private const string Choosing =
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}{% elif m['role'] == 'user' %}<｜User｜>{{ m['content'] }}{% elif m['role'] == 'assistant' %}<｜Assistant｜>{{ m['content'] }}{{ eos_token }}"
        + "{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜>{% endif %}";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-examples-");
    private readonly Tokenizer _tokenizer;

    public ExampleTests()
    {
        TinyAdaptation.WriteModel(TinyAdaptation.Qwen, _folder.FullName);
        _tokenizer = TokenizerLoader.FromDirectory(_folder.FullName);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Only_answers_are_learnt_each_with_its_end()
    {
        var example = Make(TinyAdaptation.Template, """{"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "sea?"}, {"role": "assistant", "content": "deep"}, {"role": "user", "content": "and?"}, {"role": "assistant", "content": "cold <｜User｜>"}, {"role": "user", "content": "nobody answers"}]}""").Single();
        Assert.Equal("<｜begin▁of▁sentence｜>be brief<｜User｜>sea?<｜Assistant｜>deep<｜end▁of▁sentence｜><｜User｜>and?<｜Assistant｜>cold <｜User｜><｜end▁of▁sentence｜>", _tokenizer.Decode(example.Ids, skipSpecial: false));
        Assert.Equal("deep<｜end▁of▁sentence｜>cold <｜User｜><｜end▁of▁sentence｜>", Learnt(example));

        // What a user or an answer writes is never a control token.
        Assert.Equal(2, example.Ids.Count(id => id == 3));

        // Prompt and answer are encoded as they are when the model answers.
        int[] prompt = [.. new ChatPrompt(TinyAdaptation.Template, _tokenizer).Encode(new ChatConversation { Messages = [new("system", "be brief"), new("user", "sea?")] })];
        Assert.Equal(prompt, example.Ids[..prompt.Length]);
        Assert.All(example.Labels[..prompt.Length], label => Assert.Equal(TrainingExample.NoLabel, label));
        Assert.Equal([.. _tokenizer.Encode("deep", addSpecial: false), 1], example.Labels.Skip(prompt.Length).TakeWhile(label => label != TrainingExample.NoLabel));
    }

    [Fact]
    public void An_answer_that_a_template_writes_otherwise_later_becomes_an_example_of_its_own()
    {
        var examples = Make(Thinking, """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning_content": "hm"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", "reasoning_content": "so"}]}""");
        Assert.Equal(["hm</think>b<｜end▁of▁sentence｜>", "so</think>d<｜end▁of▁sentence｜>"], examples.Select(Learnt));
    }

    [Fact]
    public void Instructions_become_conversations_and_texts_are_learnt_whole()
    {
        Assert.Equal("deep<｜end▁of▁sentence｜>", Learnt(Make(TinyAdaptation.Template, """{"instruction": "say", "input": "sea", "output": "deep", "system": "be brief"}""").Single()));
        Assert.StartsWith("<｜begin▁of▁sentence｜>be brief<｜User｜>say\n\nsea<｜Assistant｜>", _tokenizer.Decode(Make(TinyAdaptation.Template, """{"instruction": "say", "input": "sea", "output": "deep", "system": "be brief"}""").Single().Ids, skipSpecial: false), StringComparison.Ordinal);
        var windows = Make(null, $$"""{"text": "{{string.Join(' ', Enumerable.Repeat("sea", 70))}}"}""");
        Assert.True(windows.Count > 1);
        Assert.All(windows, window => Assert.Equal(window.Ids.Length - 1, window.LabelCount));
        Assert.Equal([0, .. _tokenizer.Encode(string.Join(' ', Enumerable.Repeat("sea", 70)), addSpecial: false), 1], windows.SelectMany(window => window.Ids));
    }

    [Theory]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}]}""", "expected one of the assistant")]
    [InlineData("""{"messages": []}""", "expected one of the assistant")]
    [InlineData("""{"messages": [{"role": "user", "content": 5}, {"role": "assistant", "content": "b"}]}""", "messages[0].content: expected text, found a number")]
    [InlineData("""{"messages": "a"}""", "messages: expected an array, found text")]
    [InlineData("""{"instruction": "a", "output": ""}""", "output: is empty")]
    [InlineData("""{"instruction": "a"}""", "output: missing; the record has instruction")]
    [InlineData("""{"text": "  "}""", "text: is empty")]
    [InlineData("""{"text": "\ud800"}""", "half of a surrogate pair")]
    [InlineData("""{"words": "a"}""", "messages, instruction or text: missing; the record has words")]
    [InlineData("""{"instruction": "sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea", "output": "a"}""", "the answer begins behind the first 48 tokens")]
    public void What_cannot_be_learnt_from_is_said(string record, string fault)
    {
        var thrown = Assert.Throws<BadRecordException>(() => Make(TinyAdaptation.Template, record));
        Assert.Contains(fault, thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "4"}, {"role": "assistant", "content": "b"}]""", "messages[1].tool_calls: this model's chat template has no place for calls")]
    [InlineData("""[{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"id": 7}, {"function": "f"}]}]""", "messages[1].tool_calls: this model's chat template has no place for calls")]
    [InlineData("""[{"role": "user", "content": "a"}, {"role": "tool", "tool_call_id": "1", "content": "4"}, {"role": "assistant", "content": "b"}]""", "messages[1].content: this model's chat template has no place for it (role tool)")]
    [InlineData("""[{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}]""", "messages[0].role: expected system, developer, user, assistant or tool, or a role that the chat template names, found 'human'")]
    [InlineData("""[{"role": "user", "content": null}, {"role": "assistant", "content": "b"}]""", "messages[0].content: missing")]
    [InlineData("""[{"role": "user", "content": "a"}, {"role": "assistant"}, {"role": "assistant", "content": "b"}]""", "messages[1].content: missing")]
    public void What_a_template_has_no_place_for_is_refused_and_not_left_out(string messages, string fault)
    {
        Assert.StartsWith(fault, Assert.Throws<BadRecordException>(() => Make(Choosing, $$"""{"messages": {{messages}}}""")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_template_has_a_place_for_is_written_and_no_word_for_a_missing_text()
    {
        var template = Choosing.Replace("{% endif %}{% endfor %}", "{% elif m['role'] == 'expert' %}<｜User｜>{{ m['content'] }}{% else %}[{{ m['content'] }}]{% endif %}{% for c in m['tool_calls'] or [] %}({{ c['function']['arguments'] }}){% endfor %}{% endfor %}", StringComparison.Ordinal);
        const string calling = """[{"role": "developer", "content": "s"}, {"role": "expert", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "4"}, {"role": "assistant", "content": "b"}]""";
        var example = Make(template, $$"""{"messages": {{calling}}}""").Single();
        Assert.Equal("s<｜User｜>a<｜Assistant｜><｜end▁of▁sentence｜>({})[4]<｜Assistant｜>b<｜end▁of▁sentence｜>", _tokenizer.Decode(example.Ids, skipSpecial: false));
        Assert.Equal("<｜end▁of▁sentence｜>({})b<｜end▁of▁sentence｜>", Learnt(example));
    }

    [Fact]
    public void Conversations_need_a_template() =>
        Assert.Contains("name one with chat_template", Assert.Throws<BadRecordException>(() => Make(null, """{"instruction": "a", "output": "b"}""")).Message, StringComparison.Ordinal);

    [Fact]
    public void Examples_come_back_from_their_file_and_a_damaged_one_does_not_count()
    {
        var path = Path.Combine(_folder.FullName, "x.examples");
        var fingerprint = new byte[32];
        TrainingExample[] examples = [new([1, 2, 3], [-100, 2, 3]), new([7], [], 2.5), new([4, 5], [-100, 1])];
        using (var stream = File.Create(path))
        using (var writer = new ExampleFile.Writer(stream, fingerprint))
        {
            foreach (var example in examples) writer.Add(example);
            writer.End();
        }

        using (var file = ExampleFile.TryOpen(path, fingerprint)!)
        {
            Assert.Equal([3, 1, 2], file.Lengths);
            for (var index = 2; index >= 0; index--)
            {
                var read = file.Read(index);
                Assert.Equal((examples[index].Ids, examples[index].Labels, examples[index].Value), (read.Ids, read.Labels, read.Value), (expected, actual) =>
                    expected.Item1.SequenceEqual(actual.Item1) && expected.Item2.SequenceEqual(actual.Item2) && expected.Item3.Equals(actual.Item3));
            }
        }

        fingerprint[0] = 1;
        Assert.Null(ExampleFile.TryOpen(path, fingerprint));
        fingerprint[0] = 0;
        var bytes = File.ReadAllBytes(path);
        for (var position = 0; position < bytes.Length; position++)
        {
            var damaged = (byte[])bytes.Clone();
            damaged[position] ^= 0x40;
            File.WriteAllBytes(path, damaged);
            Assert.Null(ExampleFile.TryOpen(path, fingerprint));
            File.WriteAllBytes(path, bytes[..position]);
            Assert.Null(ExampleFile.TryOpen(path, fingerprint));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public void Every_epoch_reads_every_example_once_and_rows_are_never_too_long(int rowLength)
    {
        var random = new Random(1);
        int[] lengths = [.. Enumerable.Range(0, 300).Select(_ => random.Next(1, 51))];
        var plan = new BatchPlan(lengths, rowLength, 4, seed: 9);
        var step = 0L;
        var orders = new List<string>();
        for (var epoch = 0; epoch < 3; epoch++)
        {
            var rows = new List<int[]>();
            for (var end = plan.StepsOf(epoch + 1); step < end; step++) rows.AddRange(plan.At(step));
            Assert.Equal(Enumerable.Range(0, 300), rows.SelectMany(row => row).Order());
            if (rowLength > 0)
            {
                Assert.All(rows, row => Assert.True(row.Sum(unit => lengths[unit]) <= rowLength));
                Assert.True(lengths.Sum() > 0.9 * rows.Count * rowLength, $"{rows.Count} rows are too many for {lengths.Sum()} tokens");
            }

            orders.Add(string.Join(' ', rows.Select(row => string.Join(',', row))));
        }

        Assert.Equal(3, orders.Distinct().Count());

        // A resumed run asks for a step without having asked for those before.
        Assert.Equal(plan.At(step - 5), new BatchPlan(lengths, rowLength, 4, seed: 9).At(step - 5));
    }

    /// <summary>A run that is resumed reads what it would have read; hashes of the orders that runs in the field were begun with.</summary>
    [Theory]
    [InlineData(0, "7d2c355ec0b1ca76")]
    [InlineData(50, "1c6d31648f27d37e")]
    public void Rows_are_those_that_runs_were_begun_with(int rowLength, string hash)
    {
        int[] lengths = [.. Enumerable.Range(0, 2000).Select(index => 1 + (index * 7919 % 50))];
        var plan = new BatchPlan(lengths, rowLength, 4, seed: 9);
        var rows = Enumerable.Range(0, (int)plan.StepsOf(2)).SelectMany(step => plan.At(step)).Select(row => string.Join(',', row));
        Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(' ', rows))))[..16]);
    }

    private IReadOnlyList<TrainingExample> Make(string? template, string record) =>
        new LanguageExamples(_tokenizer, template, 48).Make(new DataRecord("a.jsonl", 1, JsonElement.Parse(record), null));

    private string Learnt(TrainingExample example) => _tokenizer.Decode(example.Labels.Where(label => label != TrainingExample.NoLabel), skipSpecial: false);
}

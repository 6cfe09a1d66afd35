using System.Runtime.InteropServices;
using System.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class RunCommandTests : IDisposable
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_object_has_exactly_the_documented_fields()
    {
        var json = TestShell.Run("", "run", Model, "-p", "Hello", "--max-tokens", "8", "--seed", "1", "--json").Done().Json;
        Assert.Equal(
            ["text", "prompt_tokens", "completion_tokens", "finish_reason", "time_to_first_token_ms", "decode_tokens_per_second", "prefill_tokens_per_second"],
            json.EnumerateObject().Select(field => field.Name));
        Assert.Equal(8, json.GetProperty("completion_tokens").GetInt32());
        Assert.Equal("length", json.GetProperty("finish_reason").GetString());
        foreach (var rate in new[] { "time_to_first_token_ms", "decode_tokens_per_second", "prefill_tokens_per_second" })
            Assert.InRange(json.GetProperty(rate).GetDouble(), double.Epsilon, double.MaxValue);
    }

    [Fact]
    public void At_temperature_zero_a_talking_model_answers_with_the_likeliest_tokens_after_its_template()
    {
        var messages = Path.Combine(_folder.FullName, "messages.json");
        File.WriteAllText(messages, """[{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "What is <｜Assistant｜>?" }]""");
        var prompt = Golden.Ints(TestShell.Run("", "render", Model, "--messages", messages, "--json").Done().Json.GetProperty("token_ids"));
        var json = TestShell.Run("", "run", Model, "-p", "What is <｜Assistant｜>?", "--system", "Be brief.", "--temperature", "0", "--max-tokens", "12", "--json").Done().Json;
        Assert.Equal(prompt.Length, json.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(LikeliestText(Model, prompt, 12), json.GetProperty("text").GetString());
    }

    [Fact]
    public void Both_forms_of_latent_attention_read_a_long_prompt_alike()
    {
        var prompt = string.Concat(Enumerable.Range(0, 60).Select(i => $"{i} times {i} is {i * i}. "));
        string Text(string form) => TestShell.Run("", "run", Model, "-p", prompt, "--mla", form, "--temperature", "0", "--max-tokens", "6", "--json").Done().Json.GetProperty("text").GetString()!;
        Assert.Equal(Text("absorbed"), Text("auto"));
    }

    [Fact]
    public void At_temperature_zero_a_model_without_a_template_continues_the_text_behind_its_start_token()
    {
        var model = WithoutTemplate();
        var prompt = Golden.Ints(TestShell.Run("Once upon", "tokenize", model, "--add-special", "--json").Done().Json.GetProperty("token_ids"));
        Assert.Equal(0, prompt[0]);
        var json = TestShell.Run("", "run", model, "-p", "Once upon", "--temperature", "0", "--max-tokens", "12", "--json").Done().Json;
        Assert.Equal(prompt.Length, json.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(LikeliestText(model, prompt, 12), json.GetProperty("text").GetString());
        Assert.Contains("has no chat template", TestShell.Run("", "run", model, "-p", "x", "--system", "y").Fault(2), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pipe_is_a_prompt_without_its_last_line_end_and_gets_text_and_one_line_end()
    {
        string[] options = ["run", Model, "--seed", "7", "--max-tokens", "10"];
        var expected = TestShell.Run("", [.. options, "-p", "two\nlines", "--json"]).Done().Json.GetProperty("text").GetString();
        Assert.Equal(expected + "\n", TestShell.Run("two\nlines\n", options).Done().Text);
        Assert.Equal(expected + "\n", TestShell.Run("two\nlines", options).Done().Text);
        Assert.NotEqual(expected + "\n", TestShell.Run("two\nlines\n\n", options).Done().Text);
    }

    [Fact]
    public void An_adapter_changes_the_answer_and_one_that_does_not_fit_is_refused()
    {
        string[] options = ["run", Model, "-p", "Hello", "--temperature", "0", "--max-tokens", "12"];
        var plain = TestShell.Run("", options).Done().Text;
        var adapter = Path.Combine(_folder.FullName, "adapter");
        WriteAdapter(adapter, rank: 2);
        Assert.NotEqual(plain, TestShell.Run("", [.. options, "--adapter", adapter]).Done().Text);

        // Beside another model it answers too, and says so.
        var mark = Path.Combine(adapter, Hadal.Checkpoints.Adapters.AdapterBase.FileName);
        using (var checkpoint = Hadal.Checkpoints.Checkpoint.Open(Model)) Hadal.Checkpoints.Adapters.AdapterBase.Of(checkpoint).Write(adapter);
        var beside = TestShell.Run("", [.. options, "--adapter", adapter]).Done().Text;
        File.WriteAllText(mark, File.ReadAllText(mark).Replace("\"sha256\": \"", "\"sha256\": \"00", StringComparison.Ordinal));
        var told = TestShell.Run("", [.. options, "--adapter", adapter]);
        Assert.Equal((0, beside), (told.ExitCode, told.Text));
        Assert.Matches("^hadal: [^\n]*adapter: was trained beside another model [^\n]*\n$", told.Error);
        WriteAdapter(adapter, rank: 3);
        Assert.Contains("has rank 3, adapter_config.json says 2", TestShell.Run("", [.. options, "--adapter", adapter]).Fault(1), StringComparison.Ordinal);
        Assert.Contains("is no directory", TestShell.Run("", [.. options, "--adapter", adapter + "x"]).Fault(1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bf16")]
    [InlineData("i8")]
    public void A_rounded_cache_still_answers_and_another_word_is_refused(string format)
    {
        string[] options = ["run", Model, "-p", "Hello", "--seed", "1", "--max-tokens", "12"];
        Assert.NotEqual("", TestShell.Run("", [.. options, "--cache", format]).Done().Text.Trim());
        Assert.Contains("--cache: expected f32, bf16 or i8", TestShell.Run("", [.. options, "--cache", "f16"]).Fault(2), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_seed_gives_the_same_text_with_any_number_of_threads_and_another_seed_another()
    {
        string Text(string seed, string threads) =>
            TestShell.Run("", "run", Model, "-p", "Hello", "--temperature", "1", "--max-tokens", "24", "--seed", seed, "--threads", threads).Done().Text;
        var text = Text("18446744073709551615", "1");
        Assert.Equal(text, Text("18446744073709551615", "2"));
        Assert.NotEqual(text, Text("2", "1"));
    }

    [Fact]
    public void A_stop_text_ends_the_answer_before_it()
    {
        string[] options = ["run", Model, "-p", "Hello", "--temperature", "0", "--max-tokens", "24"];
        var text = TestShell.Run("", [.. options, "--json"]).Done().Json.GetProperty("text").GetString()!;
        var stop = text.Substring(text.Length / 2, 2);
        var json = TestShell.Run("", [.. options, "--json", "--stop", "never", "--stop", stop]).Done().Json;
        Assert.Equal("stop", json.GetProperty("finish_reason").GetString());
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], json.GetProperty("text").GetString());
    }

    [Fact]
    public void A_stop_text_that_cuts_a_text_of_a_grammar_is_a_failure()
    {
        string[] options = ["run", Model, "-p", "Hello", "--regex", "abcabcabc", "--stop", "ca"];
        Assert.Contains("is no whole text of the grammar; leave --stop out", TestShell.Run("", options).Error, StringComparison.Ordinal);
        Assert.Equal(1, TestShell.Run("", options).ExitCode);
        Assert.Equal("ab", TestShell.Run("", [.. options, "--json"]).Done().Json.GetProperty("text").GetString());
        options[5] = "abca|ab";
        Assert.Equal("ab\n", TestShell.Run("", options).Done().Text);
    }

    [Fact]
    public void The_ids_of_a_term_stand_in_the_object()
    {
        var terms = Path.Combine(_folder.FullName, "terms.txt");
        File.WriteAllText(terms, "# a comment\nfever\tHP:0001945\nfever\tother\n");
        var json = TestShell.Run("", "run", Model, "-p", "Hello", "--terms", terms, "--json").Done().Json;
        Assert.Contains(json.GetProperty("text").GetString(), (string[])["fever", "Fever", "fevers", "Fevers"]);
        Assert.Equal(["HP:0001945", "other"], json.GetProperty("ids").EnumerateArray().Select(id => id.GetString()));
    }

    [Fact]
    public void The_recommendations_of_the_checkpoint_are_the_defaults()
    {
        var model = Copy();
        File.WriteAllText(Path.Combine(model, "generation_config.json"), """{ "do_sample": false, "max_new_tokens": 5, "bos_token_id": 0, "eos_token_id": 1 }""");
        var recommended = TestShell.Run("", "run", model, "-p", "Hello", "--json").Done().Json;
        Assert.Equal(TestShell.Run("", "run", Model, "-p", "Hello", "--temperature", "0", "--max-tokens", "5").Done().Text, recommended.GetProperty("text").GetString() + "\n");
    }

    [Fact]
    public void The_model_beside_the_program_answers_when_none_is_named()
    {
        var program = Path.Combine(_folder.FullName, "program");
        Directory.CreateDirectory(Path.Combine(program, "models"));
        Directory.CreateSymbolicLink(Path.Combine(program, "models", "hadal-mini"), Model);
        var shell = new TestShell { ProgramDirectory = program };
        Assert.Equal(
            TestShell.Run("", "run", Model, "-p", "Hello", "--seed", "3", "--max-tokens", "9").Done().Text,
            shell.Run("run", "-p", "Hello", "--seed", "3", "--max-tokens", "9").Done().Text);
        Assert.Contains("hadal-mini is missing", TestShell.Run("", "run", "-p", "Hello").Error + new TestShell { ProgramDirectory = _folder.FullName }.Run("run", "-p", "x").Fault(1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_that_fills_the_context_is_refused_with_numbers()
    {
        var fault = TestShell.Run("", "run", Model, "-p", "Hello there, how are you?", "--context", "8").Fault(1);
        Assert.Matches(@"^hadal: the prompt has \d+ tokens, at most 7 fit the context of 8; shorten it or allow a longer context$", fault);
    }

    [Fact]
    public void Without_a_prompt_it_is_wrong_usage()
    {
        Assert.StartsWith("hadal: standard input is empty", TestShell.Run("", "run", Model).Fault(2), StringComparison.Ordinal);
        Assert.StartsWith("hadal: --json: expected a prompt", new TestShell { IsTerminal = true }.Run("run", Model, "--json").Fault(2), StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_gets_a_line_of_speeds_and_a_pipe_does_not()
    {
        var outcome = new TestShell { IsTerminal = true }.Run("run", Model, "-p", "Hello", "--max-tokens", "4", "--seed", "1");
        Assert.Equal(0, outcome.ExitCode);
        Assert.Matches(@"^\e\[2m\[4 tokens, [\d.]+ tokens/s, first after \d+ ms, token limit reached\]\e\[0m\n$", outcome.Error);
        outcome = new TestShell { IsTerminal = true, Variables = { ["NO_COLOR"] = "1" } }.Run("run", Model, "-p", "Hello", "--max-tokens", "4", "--seed", "1");
        Assert.StartsWith("[4 tokens", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupted_answer_ends_with_130_and_keeps_what_there_was()
    {
        using var error = new StringWriter();
        using var output = new InterruptingStream();
        var shell = new TestShell().Shell(Stream.Null, output, error);
        output.Interruption = shell.Interruption;

        // Left to itself this model ends after any number of tokens; under the expression not before 100,000 letters.
        Assert.Equal(ExitCode.Interrupted, HadalCommand.Run(["run", Model, "-p", "Hello", "--regex", "[a-z]{100000}", "--max-tokens", "100000", "--context", "163840"], shell));
        Assert.Equal("", error.ToString());
        Assert.EndsWith("\n", Encoding.UTF8.GetString(output.ToArray()), StringComparison.Ordinal);
    }

    /// <summary>The text of the ids that the logits command finds likeliest, one after the other.</summary>
    private static string LikeliestText(string model, int[] prompt, int count)
    {
        var ids = new List<int>(prompt);
        for (var i = 0; i < count; i++)
        {
            var json = TestShell.Run("", "logits", model, "--token-ids", string.Join(',', ids), "--last", "1", "--json").Done().Json;
            var row = json.GetProperty("logits")[0].EnumerateArray().Select(logit => logit.GetSingle()).ToArray();
            ids.Add(Array.IndexOf(row, row.Max()));
        }

        Assert.DoesNotContain(1, ids.Skip(prompt.Length));
        return TestShell.Run(string.Join(' ', ids.Skip(prompt.Length)), "tokenize", model, "--decode").Done().Text;
    }

    private string Copy()
    {
        var target = Path.Combine(_folder.FullName, "copy");
        Directory.CreateDirectory(target);
        foreach (var file in Directory.GetFiles(Model)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        return target;
    }

    private string WithoutTemplate()
    {
        var target = Copy();
        var path = Path.Combine(target, "tokenizer_config.json");
        var config = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        Assert.True(config.Remove("chat_template"));
        File.WriteAllText(path, config.ToJsonString());
        return target;
    }

    /// <summary>Presses Ctrl+C when the first text arrives.</summary>
    private sealed class InterruptingStream : MemoryStream
    {
        public Interruption? Interruption { get; set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            base.Write(buffer);
            Interrupt();
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            base.Write(buffer, offset, count);
            Interrupt();
        }

        private void Interrupt()
        {
            Interruption?.Signal();
            Interruption = null;
        }
    }

    [Fact]
    public void An_adapter_with_a_head_prints_labels_and_probabilities()
    {
        var adapter = Path.Combine(_folder.FullName, "labels");
        WriteAdapter(adapter, rank: 2, labels: 3);
        File.WriteAllText(Path.Combine(adapter, "label_names.json"), """["negative", "neutral", "positive"]""");
        string[] options = ["run", Model, "--adapter", adapter];
        var lines = TestShell.Run("", [.. options, "-p", "the sea"]).Done().Text.TrimEnd('\n').Split('\n').Select(line => line.Split("  ")).ToList();
        Assert.Equal(["negative", "neutral", "positive"], lines.Select(line => line[0]).Order());
        var shares = lines.Select(line => double.Parse(line[1], System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(1, shares.Sum(), 3);
        Assert.Equal(shares.OrderDescending(), shares);

        var json = TestShell.Run("", [.. options, "-p", "the sea", "--json"]).Done().Json;
        Assert.Equal(lines[0][0], json.GetProperty("label").GetString());
        Assert.Equal(shares[0], json.GetProperty("probability").GetDouble(), 4);
        Assert.Equal(shares[0], json.GetProperty("probabilities").GetProperty(lines[0][0]).GetDouble(), 4);
    }

    [Fact]
    public void A_tagger_tags_the_tokens_of_the_text_and_none_that_the_tokenizer_adds()
    {
        var adapter = Path.Combine(_folder.FullName, "tags");
        WriteAdapter(adapter, rank: 2, labels: 3, task: "TOKEN_CLS");
        string[] options = ["run", Model, "--adapter", adapter, "-p", "the sea"];
        var lines = TestShell.Run("", options).Done().Text.TrimEnd('\n').Split('\n').Select(line => line.Split("  ")[0]).ToList();
        Assert.Equal("the sea", string.Concat(lines));
        Assert.Equal(lines, TestShell.Run("", [.. options, "--json"]).Done().Json.GetProperty("tokens").EnumerateArray().Select(token => token.GetProperty("text").GetString()!));
    }

    [Fact]
    public void Scores_that_are_no_numbers_are_a_fault_and_no_answer()
    {
        var adapter = Path.Combine(_folder.FullName, "overflowing");
        WriteAdapter(adapter, rank: 2, labels: 3, headScale: 3e38f);
        foreach (var format in (string[][])[[], ["--json"]])
            Assert.Contains("its scores of this text are not finite", TestShell.Run("", ["run", Model, "--adapter", adapter, "-p", "the sea", .. format]).Fault(1), StringComparison.Ordinal);
    }

    private static void WriteAdapter(string directory, int rank, int labels = 0, float headScale = 1, string task = "SEQ_CLS")
    {
        const string Module = "base_model.model.model.layers.0.self_attn.o_proj";
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "adapter_config.json"), $$"""{"peft_type":"LORA","task_type":"{{task}}","r":2,"lora_alpha":64}""");
        List<TensorToWrite> tensors = [Tensor(".lora_A.weight", [rank, 64]), Tensor(".lora_B.weight", [64, rank])];
        if (labels > 0) tensors.Add(Tensor(".score", [labels, 64], headScale) with { Name = "base_model.model.score.weight" });
        SafetensorsWriter.Write(Path.Combine(directory, "adapter_model.safetensors"), tensors);

        static TensorToWrite Tensor(string part, int[] shape, float scale = 1) => new(Module + part, DType.F32, shape, MemoryMarshal.AsBytes(
            Enumerable.Range(0, shape[0] * shape[1]).Select(i => scale * MathF.Sin(i)).ToArray().AsSpan()).ToArray());
    }
}

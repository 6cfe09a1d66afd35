using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

public sealed class PretrainOptionsTests : IDisposable
{
    private readonly TinyRun _run = new();

    [Fact]
    public void Single_keys_can_be_set_inside_objects_too_as_json_or_as_plain_text()
    {
        var options = Read("learning_rate=0.5", "tokenizer.vocab_size=280", "optimizer=muon", "output=elsewhere", "model.num_hidden_layers=4", "decay_share=null", "sources=[{\"path\":\"zh.txt\"}]");
        Assert.Equal((0.5, 280, "muon", "elsewhere"), (options.LearningRate, options.Tokenizer.VocabSize, options.Optimizer, options.Output));
        Assert.Equal(4, options.Model.GetProperty("num_hidden_layers").GetInt32());
        Assert.Null(options.DecayShare);
        Assert.Equal("zh.txt", Assert.Single(options.Sources).Path);
        Assert.Equal(Path.Combine(Path.GetDirectoryName(_run.ConfigPath)!, "elsewhere"), options.OutputDirectory);
    }

    [Theory]
    [InlineData("lerning_rate=1", "lerning_rate: unknown key; did you mean learning_rate?")]
    [InlineData("tokenizer.vocabsize=1", "tokenizer.vocabsize: unknown key; did you mean tokenizer.vocab_size?")]
    [InlineData("sources=[{\"paht\":\"x\"}]", "sources[0].paht: unknown key; did you mean sources[0].path?; sources[0].path: missing")]
    [InlineData("sequence_length=4", "sequence_length: expected 8 to 1048576, got 4")]
    [InlineData("batch_sequences=0", "batch_sequences: expected at least 1, got 0")]
    [InlineData("optimizer=sgd", "optimizer: expected adamw or muon, got 'sgd'")]
    [InlineData("compute_type=float16", "compute_type: expected bfloat16 or float32, got 'float16'")]
    [InlineData("learning_rate=-1", "learning_rate: expected a positive number, got -1")]
    [InlineData("decay_share=0", "decay_share: expected null or above 0 to 1, got 0")]
    [InlineData("beta2=1", "beta1, beta2: expected 0 to below 1, got 0.9 and 1")]
    [InlineData("mtp_share=0", "mtp_share: expected above 0 to 1, got 0")]
    [InlineData("tokenizer.vocab_size=258", "tokenizer.vocab_size: expected at least 259 (special tokens and bytes), got 258")]
    [InlineData("sources=[]", "sources: expected at least one")]
    [InlineData("learning_rate.x=1", "--set learning_rate.x=1: learning_rate is not an object")]
    [InlineData("nonsense", "--set nonsense: expected key=value")]
    [InlineData("=1", "--set =1: expected key=value")]
    [InlineData("steps=many", "steps: expected a whole number of 64 bits, found \"many\"")]
    [InlineData("steps=1.5", "steps: expected a whole number of 64 bits, found 1.5")]
    [InlineData("steps=-5", "steps: expected 0 to 1000000000000, got -5")]
    [InlineData("sparse_steps=9000000000000000000", "sparse_steps: expected 0 to 1000000000000, got 9000000000000000000")]
    [InlineData("batch_sequences=3000000000", "batch_sequences: expected a whole number of 32 bits, found 3000000000")]
    [InlineData("batch_sequences=2000000000", "batch_sequences: expected at most 16777216 tokens at once, got 2000000000 sequences of 24; accumulation_steps makes larger steps")]
    [InlineData("learning_rate=1e300", "learning_rate: expected a number in the range of float32, found 1e300")]
    [InlineData("learning_rate=1e999", "learning_rate: expected a number in the range of float32, found 1e999")]
    [InlineData("bogus=1", "pretrain.json: bogus: unknown key\n")]
    [InlineData("a=1", "pretrain.json: a: unknown key\n")]
    [InlineData("Seed=1", "Seed: unknown key; did you mean seed?")]
    [InlineData("tokenizer.x=1", "tokenizer.x: unknown key; known are directory, vocab_size, special_tokens, chat_template\n")]
    [InlineData("model.bogus_key=1", "model.bogus_key: unknown key; a published config.json, which may have more keys, is given by its path\n")]
    [InlineData("model.n_shared_expert=1", "model.n_shared_expert: unknown key; did you mean model.n_shared_experts?")]
    [InlineData("model.other_keys={}", "model.other_keys: unknown key")]
    [InlineData("model.rope_scaling={\"factr\":2}", "model.rope_scaling.factr: unknown key; did you mean model.rope_scaling.factor?")]
    [InlineData("model=null", "model: expected an object or the path of a file, found null")]
    [InlineData("tokenizer=null", "tokenizer: expected an object, found null")]
    [InlineData("tokenizer=[]", "tokenizer: expected an object, found a list")]
    [InlineData("tokenizer.special_tokens=[\"<a>\",null]", "tokenizer.special_tokens[1]: expected text, found null")]
    [InlineData("tokenizer.special_tokens=[\"<a>\",\"\"]", "tokenizer.special_tokens: expected two or more different ones")]
    [InlineData("sources=null", "sources: expected a list, found null")]
    [InlineData("sources=[null]", "sources[0]: expected an object, found null")]
    [InlineData("sources=[7]", "sources[0]: expected an object, found 7")]
    [InlineData("sources=[{\"path\":null}]", "sources[0].path: expected text, found null")]
    [InlineData("sources=[{\"path\":\"a\\u0000b\"}]", "sources[0].path: expected text, found")]
    [InlineData("sources=[{\"path\":\"a\",\"path\":\"b\"}]", "expected JSON: Duplicate property 'path'")]
    [InlineData("sources=[{\"path\":\"a\",\"weight\":1e6}]", "sources.weight: expected above 0 to 100")]
    [InlineData("sources=[{\"path\":\"a\",\"language\":\"../x\"}]", "sources.language: expected letters, digits, - and _")]
    [InlineData("sources=[{\"path\":", "expected JSON: line 1, byte 10: ")]
    [InlineData("output=null", "output: expected text, found null")]
    [InlineData("output=\"\\ud800\"", "half of a surrogate pair")]
    public void What_is_wrong_is_said_in_one_line(string change, string expected)
    {
        var message = Assert.Throws<TrainingException>(() => Read(change)).Message;
        Assert.Contains(expected, message + "\n", StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        Assert.DoesNotContain("System.", message, StringComparison.Ordinal);
    }

    /// <summary>The model that ships is made by this file.</summary>
    [Fact]
    public void The_config_of_the_shipped_model_is_taken()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Hadal.slnx"))) folder = folder.Parent;
        Assert.SkipWhen(folder is null, "needs the repository around the tests");
        var options = PretrainOptions.Read(Path.Combine(folder.FullName, "models", "hadal-mini", "pretrain.json"), []);
        Assert.NotEmpty(options.Sources);
    }

    [Fact]
    public void All_faults_are_said_at_once()
    {
        var message = Assert.Throws<TrainingException>(() => Read("batch_sequences=0", "learning_rate=0")).Message;
        Assert.Contains("batch_sequences", message, StringComparison.Ordinal);
        Assert.Contains("learning_rate", message, StringComparison.Ordinal);
        Assert.StartsWith(_run.ConfigPath, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "pretrain.json: line 1, byte 2: ")]
    [InlineData("{ \"output\": \"x\",\n \"output\": \"y\" }", "pretrain.json: Duplicate property 'output'")]
    [InlineData("", "pretrain.json: is empty, or no regular file")]
    [InlineData("[]", "pretrain.json: expected a JSON object")]
    [InlineData("{}", "output: missing; model: missing; sources: missing")]
    public void Files_that_are_no_options_are_refused(string text, string expected)
    {
        File.WriteAllText(_run.ConfigPath, text);
        var message = Assert.Throws<TrainingException>(() => Read()).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Runs_that_cannot_fit_together_are_refused_before_they_start()
    {
        Assert.Contains("model.max_position_embeddings: expected at least 65", Fault("sparse_sequence_length=65"), StringComparison.Ordinal);
        Assert.Contains("model.vocab_size: expected at least 300", Fault("model.vocab_size=299"), StringComparison.Ordinal);
        Assert.Contains("model has no index_topk", Fault("model.index_topk=null", "model.index_n_heads=null", "model.index_head_dim=null"), StringComparison.Ordinal);
        Assert.Contains("llama", Assert.ThrowsAny<Exception>(() => _run.Run(changes: ["model.model_type=\"llama\"", "model.hidden_size=24"])).Message, StringComparison.Ordinal);
        Assert.Contains("no such file", Fault("sources=[{\"path\":\"missing.txt\"}]"), StringComparison.Ordinal);
        Assert.Contains("none has a window of 65 tokens", Fault("sequence_length=64", "sparse_steps=0", "indexer_warmup_steps=0", "sources=[{\"path\":\"short.txt\"}]"), StringComparison.Ordinal);

        string Fault(params string[] changes)
        {
            File.WriteAllText(Path.Combine(Path.GetDirectoryName(_run.ConfigPath)!, "short.txt"), "too short\nto read\n");
            return Assert.Throws<TrainingException>(() => _run.Run(changes: changes)).Message;
        }
    }

    [Fact]
    public void A_model_may_be_a_file_of_its_own()
    {
        var folder = Path.GetDirectoryName(_run.ConfigPath)!;
        File.WriteAllText(Path.Combine(folder, "config.json"), PretrainOptions.Read(_run.ConfigPath, []).Model.GetRawText());
        _run.Run(changes: ["model=config.json", "steps=1", "indexer_warmup_steps=0", "sparse_steps=0"]);
        foreach (var (text, expected) in (ReadOnlySpan<(string, string)>)[("{ \"model_type\": ", "line 1, byte 17: "), ("{ \"vocab_size\": 1, \"vocab_size\": 2 }", "Duplicate property 'vocab_size'")])
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), text);
            var fault = Assert.Throws<TrainingException>(() => _run.Run(changes: ["model=config.json", "output=other"]));
            Assert.StartsWith($"model: {folder}/config.json: {expected}", fault.Message, StringComparison.Ordinal);
        }
    }

    public void Dispose() => _run.Dispose();

    private PretrainOptions Read(params string[] changes) => PretrainOptions.Read(_run.ConfigPath, changes);
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Training.Trainers;

namespace Hadal.Training.Data.Instructions;

/// <summary>Instruction data of our own making, for a very small model: short tasks in English and Chinese, made by rule from a seed, and pieces of the texts it was pretrained on.</summary>
/// <remarks>What a task is (its numbers, its words, or its wording) is hashed; one in twenty hashes is held out and never learnt, whatever else stands around it.</remarks>
public static class InstructionData
{
    private const int HeldOutOneIn = 20;

    /// <summary>Share of conversations that have several exchanges.</summary>
    private const double SeveralExchanges = 0.25;

    /// <summary>Share of conversations that begin with a system message.</summary>
    private const double WithSystem = 0.05;

    /// <summary>Writes <c>train.jsonl</c> (conversations), <c>text.jsonl</c> (pieces of the texts), <c>test.jsonl</c> (held-out tasks with what they are judged by) and <c>heldout-LANGUAGE.txt</c> (what pretraining held out).</summary>
    /// <param name="corpus">The pretraining whose texts are taken.</param>
    /// <param name="directory">Where the files go; what is there under these names is replaced.</param>
    /// <param name="conversations">How many conversations to learn from.</param>
    /// <param name="texts">How many pieces of text.</param>
    /// <param name="tests">How many held-out tasks.</param>
    /// <param name="seed">Draws all of them.</param>
    /// <param name="cancellation">Ends the reading of texts.</param>
    /// <exception cref="TrainingException">A text cannot be read.</exception>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static void Write(PretrainOptions corpus, string directory, int conversations, int texts, int tests, long seed, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        Directory.CreateDirectory(directory);
        var source = new CorpusTasks(corpus.Sources, corpus.Folder, corpus.Seed, cancellation);
        var tasks = new Tasks(source);
        Lines("train.jsonl", Conversations(tasks, conversations, seed), WriteConversation);
        Lines("text.jsonl", Texts(source, texts, seed), (json, text) => json.WriteString("text", text));
        Lines("test.jsonl", Tests(tasks, tests, seed), WriteTest);
        foreach (var (language, text) in source.HeldOut) AtomicFile.Write(Path.Combine(directory, $"heldout-{language}.txt"), stream => stream.Write(Encoding.UTF8.GetBytes(text)));

        void Lines<T>(string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write) => AtomicFile.Write(Path.Combine(directory, name), stream =>
        {
            foreach (var item in items)
            {
                cancellation.ThrowIfCancellationRequested();
                using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
                {
                    json.WriteStartObject();
                    write(json, item);
                    json.WriteEndObject();
                }

                stream.WriteByte((byte)'\n');
            }
        });
    }

    /// <summary>Whether a task is held out.</summary>
    internal static bool IsHeldOut(Instruction task)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{task.Kind}|{task.Key}"));
        return BinaryPrimitives.ReadUInt64LittleEndian(hash) % HeldOutOneIn == 0;
    }

    /// <summary>Conversations to learn from: one task, or a few of one language.</summary>
    internal static IEnumerable<IReadOnlyList<Instruction>> Conversations(Tasks tasks, int count, long seed)
    {
        var draw = new Draw(seed, 1);
        for (var index = 0; index < count; index++)
        {
            var isChinese = draw.Chance(0.5);
            var exchanges = draw.Chance(SeveralExchanges) ? draw.Between(2, 3) : 1;
            yield return [.. Enumerable.Range(0, exchanges).Select(_ => Learnt())];

            Instruction Learnt()
            {
                while (true)
                    if (tasks.Make(draw, isChinese) is var task && !IsHeldOut(task)) return task;
            }
        }
    }

    /// <summary>Held-out tasks, none of them twice.</summary>
    internal static IEnumerable<Instruction> Tests(Tasks tasks, int count, long seed)
    {
        var draw = new Draw(seed, 2);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (seen.Count < count)
        {
            var task = tasks.Make(draw, draw.Chance(0.5));
            if (task.Kind != "continuing" && IsHeldOut(task) && seen.Add(string.Join('\n', [.. task.Before.Select(said => said.User), task.Prompt]))) yield return task;
        }
    }

    private static IEnumerable<string> Texts(CorpusTasks corpus, int count, long seed)
    {
        var draw = new Draw(seed, 3);
        for (var index = 0; index < count; index++) yield return corpus.Stretch(draw, draw.Chance(0.5));
    }

    private static void WriteConversation(Utf8JsonWriter json, IReadOnlyList<Instruction> tasks)
    {
        json.WriteStartArray("messages");
        if (HasSystem(tasks[0])) Message(json, "system", tasks[0].Language == "zh" ? "你是一个乐于助人的助手。" : "You are a helpful assistant.");
        foreach (var task in tasks)
        {
            WriteQuestion(json, task);
            Message(json, "assistant", task.Answer);
        }

        json.WriteEndArray();
    }

    private static void WriteTest(Utf8JsonWriter json, Instruction task)
    {
        json.WriteString("kind", task.Kind);
        json.WriteString("language", task.Language);
        json.WriteStartArray("messages");
        WriteQuestion(json, task);
        json.WriteEndArray();
        json.WriteString("check", JsonNamingPolicy.SnakeCaseLower.ConvertName(task.Check.ToString()));
        json.WriteStartArray("expected");
        foreach (var text in task.Expected) json.WriteStringValue(text);
        json.WriteEndArray();
        if (task.Schema is { } schema) json.WriteString("schema", schema);
    }

    private static void WriteQuestion(Utf8JsonWriter json, Instruction task)
    {
        foreach (var (user, assistant) in task.Before)
        {
            Message(json, "user", user);
            Message(json, "assistant", assistant);
        }

        Message(json, "user", task.Prompt);
    }

    private static void Message(Utf8JsonWriter json, string role, string content)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", content);
        json.WriteEndObject();
    }

    private static bool HasSystem(Instruction task) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"system|{task.Prompt}"))) % 1000 < WithSystem * 1000;
}

using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hadal.Training.Data.Instructions;

/// <summary>Answers in JSON: facts of a sentence by name, and lists.</summary>
internal static class JsonTasks
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private sealed record Fact(string Name, JsonNode Value, string Type, string Clause);

    public static Instruction Extract(Draw draw, bool isChinese)
    {
        var facts = draw.Shuffled(isChinese ? FactsZh(draw) : FactsEn(draw)).Take(draw.Between(1, 3)).ToList();
        var name = isChinese ? draw.Of(Words.NamesZh) : draw.Of(Words.Names);
        var sentence = isChinese ? $"{name}{string.Join('，', facts.Select(fact => fact.Clause))}。" : $"{name} {Joined(facts)}.";
        List<Fact> asked = [new Fact("name", name, "string", ""), .. facts];
        if (draw.Chance(0.3)) asked = [.. draw.Shuffled(asked).Take(draw.Between(1, asked.Count))];
        var answer = new JsonObject(asked.Select(fact => KeyValuePair.Create<string, JsonNode?>(fact.Name, fact.Value.DeepClone())));
        var schema = SchemaOf(asked);
        var fields = string.Join(isChinese ? "、" : asked.Count == 2 ? " and " : ", ", asked.Select(fact => fact.Name));
        var prompt = (isChinese, draw.Next(3)) switch
        {
            (true, 0) => $"用JSON写出 {fields}：{sentence}",
            (true, 1) => $"{sentence}\n请用JSON回答，字段：{fields}",
            (true, _) => $"按这个模式用JSON回答：{schema}\n{sentence}",
            (false, 0) => $"Write {fields} as JSON: {sentence}",
            (false, 1) => $"{sentence}\nAnswer in JSON with {fields}.",
            _ => $"Answer in JSON by this schema: {schema}\n{sentence}",
        };
        var text = answer.ToJsonString(Plain).Replace("\":", "\": ", StringComparison.Ordinal).Replace(",\"", ", \"", StringComparison.Ordinal);
        return new Instruction("JSON object", Tasks.Language(isChinese), sentence, prompt, text, AnswerCheck.Json, text) { Schema = schema };
    }

    public static Instruction List(Draw draw, bool isChinese)
    {
        var count = draw.Between(2, 4);
        string shown, type;
        JsonNode[] values;
        if (draw.Chance(0.5))
        {
            int[] numbers = [.. Enumerable.Range(0, count).Select(_ => draw.Between(1, 99))];
            var things = draw.Several(isChinese ? Words.ThingsZh : Words.Things, count);
            shown = string.Join(isChinese ? "，" : ", ", numbers.Select((number, index) => isChinese ? FormattableString.Invariant($"{number}个{things[index]}") : FormattableString.Invariant($"{number} {things[index]}")));
            (values, type) = ([.. numbers.Select(number => JsonValue.Create(number))], "integer");
        }
        else
        {
            var nouns = draw.Several(Words.Nouns, count).Select(noun => isChinese ? noun.Zh : noun.En).ToArray();
            shown = isChinese ? string.Join('、', nouns) : $"{string.Join(", ", nouns[..^1])} and {nouns[^1]}";
            (values, type) = ([.. nouns.Select(noun => JsonValue.Create(noun))], "string");
        }

        var answer = new JsonArray(values).ToJsonString(Plain).Replace(",", ", ", StringComparison.Ordinal);
        var what = (isChinese, type) switch { (true, "integer") => "数字", (true, _) => "词语", (false, "integer") => "numbers", _ => "words" };
        var prompt = isChinese ? draw.Of($"把{what}写成JSON数组：{shown}", $"{shown}\n请用JSON列表写出其中的{what}") : draw.Of($"Write the {what} as a JSON list: {shown}", $"{shown}\nGive the {what} as a JSON array.");
        return new Instruction("JSON list", Tasks.Language(isChinese), shown, prompt, answer, AnswerCheck.Json, answer) { Schema = $"{{\"type\": \"array\", \"items\": {{\"type\": \"{type}\"}}}}" };
    }

    private static Fact[] FactsEn(Draw draw)
    {
        var (age, city, job, colour, count, thing) = (draw.Between(5, 99), draw.Of(Words.Cities), draw.Of(Words.Jobs), draw.Of(Words.Colours), draw.Between(2, 99), draw.Of(Words.Things));
        return
        [
            Number("age", age, $"is {{0}} years old"), Text("city", city, draw.Of("lives in {0}", "comes from {0}")), Text("job", job, draw.Of("is a {0}", "works as a {0}")),
            Text("color", colour, draw.Of("likes {0}", "has a {0} hat")), Number("count", count, $"has {{0}} {thing}"),
        ];
    }

    private static Fact[] FactsZh(Draw draw)
    {
        var (age, city, job, colour, count, thing) = (draw.Between(5, 99), draw.Of(Words.CitiesZh), draw.Of(Words.JobsZh), draw.Of(Words.ColoursZh), draw.Between(2, 99), draw.Of(Words.ThingsZh));
        return
        [
            Number("age", age, "今年{0}岁"), Text("city", city, draw.Of("住在{0}", "来自{0}")), Text("job", job, "是一名{0}"), Text("color", colour, "喜欢{0}"), Number("count", count, $"有{{0}}个{thing}"),
        ];
    }

    private static Fact Text(string name, string value, string clause) => new(name, JsonValue.Create(value), "string", string.Format(CultureInfo.InvariantCulture, clause, value));

    private static Fact Number(string name, int value, string clause) => new(name, JsonValue.Create(value), "integer", string.Format(CultureInfo.InvariantCulture, clause, value));

    private static string Joined(List<Fact> facts) => facts.Count == 1 ? facts[0].Clause : $"{string.Join(", ", facts.Take(facts.Count - 1).Select(fact => fact.Clause))} and {facts[^1].Clause}";

    private static string SchemaOf(List<Fact> facts)
    {
        var properties = string.Join(", ", facts.Select(fact => $"\"{fact.Name}\": {{\"type\": \"{fact.Type}\"}}"));
        var names = string.Join(", ", facts.Select(fact => $"\"{fact.Name}\""));
        return $"{{\"type\": \"object\", \"properties\": {{{properties}}}, \"required\": [{names}], \"additionalProperties\": false}}";
    }
}

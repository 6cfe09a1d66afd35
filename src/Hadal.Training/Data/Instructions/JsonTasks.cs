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

    private static readonly string[]
        Extracting =
        [
            "write {1} as JSON", "give {1} as JSON", "give me {1} in JSON", "extract {1} as JSON", "extract {1} from this sentence as JSON", "put {1} into JSON", "pull out {1} and write JSON", "make a JSON object with {1}", "read this and return JSON with {1}", "turn this into JSON with {1}",
            "convert to JSON with the keys {1}", "answer in JSON with {1}", "return only JSON with the fields {1}", "JSON with {1}", "parse this into JSON ({1})", "fill a JSON object with {1} from this text", "get {1} from the text, as JSON", "I need {1} as JSON", "what are {1}? Answer in JSON", "produce JSON, fields {1}", "as JSON with the keys {1}", "find {1}, reply in JSON",
        ],
        ExtractingZh =
        [
            "用JSON写出{1}", "请用JSON回答，字段：{1}", "提取{1}，用JSON表示", "把{1}写成JSON", "从这句话里找出{1}，输出JSON", "转成JSON，字段为{1}", "生成一个JSON对象，包含{1}", "按JSON格式给出{1}", "返回JSON，键为{1}", "只输出JSON：{1}", "整理成JSON，要有{1}", "读下面的话，用JSON写出{1}", "用{1}这几个键写成JSON", "抽取{1}，以JSON格式返回", "给我{1}的JSON",
        ],
        Making =
        [
            "make JSON with {0}", "make a JSON object with {0}", "create JSON with {0}", "create a JSON object: {0}", "write JSON: {0}", "write a JSON object with {0}", "write this as JSON: {0}", "turn this into JSON: {0}", "convert to JSON: {0}", "convert this to JSON\n{0}", "{0}\nas JSON", "{0} as JSON", "{0} -> JSON", "give me JSON where {0}", "give me a JSON object in which {0}",
            "I need JSON with {0}", "return JSON with {0}", "return only JSON: {0}", "represent {0} as JSON", "JSON for {0}", "json: {0}", "put {0} into JSON", "build an object in JSON from {0}", "output JSON with {0}", "show {0} as a JSON object", "a JSON object please: {0}", "format as JSON: {0}", "express this in JSON: {0}", "encode {0} in JSON", "can you write {0} in JSON format", "how does {0} look in JSON", "{0}\nWrite that as JSON.", "{0}. Now as JSON, please",
        ],
        MakingZh =
        [
            "写一个JSON：{0}", "用JSON表示：{0}", "把下面的写成JSON：{0}", "转成JSON：{0}", "生成JSON：{0}", "生成一个JSON对象，{0}", "{0}，写成JSON", "{0}\n用JSON写", "给我一个JSON，{0}", "做一个JSON对象，其中{0}", "输出JSON：{0}", "只返回JSON：{0}", "{0} 的JSON", "把{0}变成JSON格式", "创建一个JSON对象：{0}", "json格式：{0}", "用JSON格式输出{0}", "{0}用JSON怎么写", "我要一个JSON，{0}", "构造JSON，要求{0}",
        ],
        Listing =
        [
            "write the {1} as a JSON list", "give the {1} as a JSON array", "make a JSON list", "make a JSON array of these", "turn this into a JSON array", "convert to a JSON list", "as a JSON array", "JSON array", "put these {1} in a JSON array", "return a JSON list", "write a JSON array with these {1}", "list the {1} in JSON", "format these as a JSON array", "JSON list please", "I need these {1} as a JSON array", "output the {1} as a JSON list",
        ],
        ListingZh =
        [
            "把{1}写成JSON数组", "请用JSON列表写出其中的{1}", "写成JSON数组", "转成JSON数组", "用JSON数组表示", "输出JSON列表", "生成一个JSON数组", "以JSON数组的形式写出{1}", "做成JSON列表", "JSON数组", "把这些{1}放进JSON数组", "用JSON列表给出{1}",
        ],
        Keys =
        [
            "name", "age", "city", "id", "title", "price", "count", "status", "a", "b", "c", "x", "y", "z", "color", "size", "year", "country", "score", "level", "type", "lang", "model", "user", "key", "value", "email", "phone", "weight", "height", "date", "time", "day", "month", "author", "book", "page", "pages", "animal", "fruit", "item", "unit", "total", "number", "code", "role", "team", "email_count", "user_id",
            "first_name", "last_name", "is_open", "active", "valid", "done", "ok", "ready", "enabled", "speed", "width", "length", "depth", "temp", "temperature", "pressure", "rate", "sum", "min", "max", "from", "to", "start", "end", "port", "host", "path", "version", "debug", "limit", "points", "rank", "grade", "subject", "food", "drink", "pet", "car", "room", "floor", "street", "zip", "order", "quantity",
        ],
        KeysZh = ["姓名", "年龄", "城市", "编号", "价格", "数量", "颜色", "名字", "国家", "职业", "书名", "作者", "动物", "水果", "成绩", "班级", "时间", "地点", "天气", "温度", "状态", "类型", "日期", "电话", "性别", "爱好", "重量", "高度"],
        Flags = ["active", "valid", "done", "ok", "ready", "enabled", "debug", "is_open", "paid", "new", "open", "visible", "admin", "married", "member"];

    /// <summary>An object of names and values that are told outright: "name is Tom and age is 5".</summary>
    public static Instruction Pairs(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        var count = draw.Of(1, 2, 2, 2, 3, 3, 4);
        var names = new List<string>();
        while (names.Count < count)
            if ((draw.Chance(0.15) ? vocabulary.Any(draw, false).ToLowerInvariant() : isChinese && draw.Chance(0.5) ? draw.Of(KeysZh) : draw.Of(Keys)) is var name && !names.Contains(name)) names.Add(name);

        var told = names.Select(name => (Name: name, Value: Value(name))).ToList();
        var answer = new JsonObject(told.Select(pair => KeyValuePair.Create<string, JsonNode?>(pair.Name, pair.Value.DeepClone())));
        var text = Spaced(answer.ToJsonString(Plain));
        var shown = draw.Chance(0.12) ? Apart() : Together();
        return new Instruction("JSON object", Tasks.Language(isChinese), text, Framed(draw, isChinese, isChinese ? MakingZh : Making, shown), text, AnswerCheck.Json, text)
        {
            Schema = SchemaOf([.. told.Select(pair => new Fact(pair.Name, pair.Value, TypeOf(pair.Value), ""))]),
        };

        JsonNode Value(string name) => Flags.Contains(name, StringComparer.Ordinal) && draw.Chance(0.8) ? JsonValue.Create(draw.Chance(0.5)) : draw.Next(10) switch
        {
            < 4 => JsonValue.Create(draw.Between(0, draw.Of(9, 99, 999, 2030))),
            4 => JsonValue.Create(draw.Between(1, 999) / 10m),
            5 => draw.Chance(0.5) ? JsonValue.Create(draw.Chance(0.5)) : JsonValue.Create(-draw.Between(1, 99)),
            6 => JsonValue.Create(isChinese ? draw.Of(Words.CitiesZh) : draw.Chance(0.4) ? $"{draw.Of(Words.Colours)} {draw.Of(Words.Nouns).En}" : draw.Of(Words.Cities)),
            _ => JsonValue.Create(vocabulary.Any(draw, isChinese)),
        };

        // Names with their values, written one way throughout.
        string Together()
        {
            var way = draw.Next(isChinese ? 8 : 10);
            var quote = draw.Of("", "", "", "\"");
            var parts = told.Select(pair => (Name: $"{quote}{pair.Name}{quote}", Value: Said(pair.Value, quote))).Select(pair => (isChinese, way) switch
            {
                (true, 0 or 1) => $"{pair.Name}是{pair.Value}", (true, 2) => $"{pair.Name}为{pair.Value}", (true, 3) => $"{pair.Name}：{pair.Value}", (true, 4) => $"{pair.Name}={pair.Value}", (true, 5) => $"键{pair.Name}的值是{pair.Value}", (true, 6) => $"{pair.Name}等于{pair.Value}", (true, _) => $"{pair.Name}: {pair.Value}",
                (_, 0 or 1) => $"{pair.Name} is {pair.Value}", (_, 2) => $"{pair.Name} = {pair.Value}", (_, 3) => $"{pair.Name}: {pair.Value}", (_, 4) => $"{pair.Name} {pair.Value}", (_, 5) => $"{pair.Name} set to {pair.Value}", (_, 6) => $"{pair.Name}={pair.Value}", (_, 7) => $"key {pair.Name} and value {pair.Value}", (_, 8) => $"{pair.Name} equal to {pair.Value}", _ => $"{pair.Value} for {pair.Name}",
            }).ToList();
            return (isChinese, draw.Next(6)) switch
            {
                (true, 0) => string.Join('\n', parts), (true, 1 or 2) => string.Join('、', parts), (true, _) => string.Join('，', parts),
                (_, 0) => string.Join('\n', parts), (_, 1) => string.Join("; ", parts), (_, 2 or 3) when parts.Count > 1 => $"{string.Join(", ", parts.SkipLast(1))} and {parts[^1]}", _ => string.Join(", ", parts),
            };
        }

        // First the names, then the values.
        string Apart()
        {
            var (keys, values) = (string.Join(isChinese ? "、" : ", ", told.Select(pair => pair.Name)), string.Join(isChinese ? "、" : ", ", told.Select(pair => Said(pair.Value, ""))));
            return isChinese ? draw.Of($"键是{keys}，值是{values}", $"字段{keys}，对应{values}") : draw.Of($"the keys {keys} and the values {values}", $"fields {keys} with values {values}", $"keys: {keys}; values: {values}");
        }

        string Said(JsonNode value, string quote) => value.GetValueKind() switch
        {
            JsonValueKind.String => draw.Chance(0.15) ? $"\"{value.GetValue<string>()}\"" : $"{quote}{value.GetValue<string>()}{quote}",
            JsonValueKind.True => isChinese ? draw.Of("true", "真") : draw.Of("true", "true", "yes"),
            JsonValueKind.False => isChinese ? draw.Of("false", "假") : draw.Of("false", "false", "no"),
            _ => value.ToJsonString(),
        };
    }

    public static Instruction Extract(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        var facts = draw.Shuffled(isChinese ? FactsZh(draw, vocabulary) : FactsEn(draw, vocabulary)).Take(draw.Between(1, 3)).ToList();
        var name = isChinese ? draw.Of(Words.NamesZh) : draw.Chance(0.3) ? KnowledgeTasks.Capitalised(vocabulary.Any(draw, false)) : draw.Of(Words.Names);
        var sentence = isChinese ? $"{name}{string.Join(draw.Of("，", "，", "，也"), facts.Select(fact => fact.Clause))}{draw.Of("。", "")}" : $"{name} {Joined(facts)}{draw.Of(".", ".", "")}";
        List<Fact> asked = [new Fact("name", name, "string", ""), .. facts];
        if (draw.Chance(0.3)) asked = [.. draw.Shuffled(asked).Take(draw.Between(1, asked.Count))];
        var answer = new JsonObject(asked.Select(fact => KeyValuePair.Create<string, JsonNode?>(fact.Name, fact.Value.DeepClone())));
        var schema = SchemaOf(asked);
        var text = Spaced(answer.ToJsonString(Plain));
        var fields = asked.Select(fact => draw.Chance(0.05) ? $"\"{fact.Name}\"" : fact.Name).ToList();
        var listed = isChinese ? string.Join(draw.Of("、", "和", ",", "，"), fields) : asked.Count == 2 && draw.Chance(0.6) ? string.Join(" and ", fields) : asked.Count > 2 && draw.Chance(0.5) ? $"{string.Join(", ", fields.SkipLast(1))} and {fields[^1]}" : string.Join(", ", fields);
        var prompt = draw.Chance(0.25)
            ? isChinese ? $"按这个模式用JSON回答：{schema}\n{sentence}" : $"Answer in JSON by this schema: {schema}\n{sentence}"
            : Framed(draw, isChinese, isChinese ? ExtractingZh : Extracting, sentence, listed);
        return new Instruction("JSON object", Tasks.Language(isChinese), sentence, prompt, text, AnswerCheck.Json, text) { Schema = schema };
    }

    public static Instruction List(Draw draw, bool isChinese, Vocabulary vocabulary)
    {
        var count = draw.Between(2, 5);
        string type;
        JsonNode[] values;
        IReadOnlyList<string> items;
        switch (draw.Next(4))
        {
            case 0:
                int[] numbers = [.. Enumerable.Range(0, count).Select(_ => draw.Between(1, draw.Of(9, 99, 999)))];
                var things = draw.Several(isChinese ? Words.ThingsZh : Words.Things, count);
                items = [.. numbers.Select((number, index) => isChinese ? FormattableString.Invariant($"{number}个{things[index]}") : FormattableString.Invariant($"{number} {things[index]}"))];
                (values, type) = ([.. numbers.Select(number => JsonValue.Create(number))], "integer");
                break;
            case 1:
                int[] plain = [.. Enumerable.Range(0, count).Select(_ => draw.Between(0, draw.Of(9, 99, 999)))];
                items = [.. plain.Select(number => FormattableString.Invariant($"{number}"))];
                (values, type) = ([.. plain.Select(number => JsonValue.Create(number))], "integer");
                break;
            default:
                items = draw.Chance(0.4) ? [.. draw.Several(Words.Nouns, count).Select(noun => isChinese ? noun.Zh : noun.En)] : vocabulary.Several(draw, isChinese, count);
                (values, type) = ([.. items.Select(item => JsonValue.Create(item))], "string");
                break;
        }

        var shown = type == "string" && !isChinese && draw.Chance(0.3) ? string.Join(", ", items) : Phrases.Listed(draw, isChinese, items);
        var answer = new JsonArray(values).ToJsonString(Plain).Replace(",", ", ", StringComparison.Ordinal);
        var what = (isChinese, type) switch { (true, "integer") => "数字", (true, _) => "词语", (false, "integer") => "numbers", _ => "words" };
        return new Instruction("JSON list", Tasks.Language(isChinese), shown, Framed(draw, isChinese, isChinese ? ListingZh : Listing, shown, what), answer, AnswerCheck.Json, answer) { Schema = $"{{\"type\": \"array\", \"items\": {{\"type\": \"{type}\"}}}}" };
    }

    /// <summary>A request about a text, which keeps its letters as they are.</summary>
    private static string Framed(Draw draw, bool isChinese, string[] frames, string text, string fields = "") =>
        Phrases.With(draw, isChinese, [draw.Of(frames).Replace("{1}", fields, StringComparison.Ordinal)], text);

    private static string Spaced(string json) => json.Replace("\":", "\": ", StringComparison.Ordinal).Replace(",\"", ", \"", StringComparison.Ordinal);

    private static string TypeOf(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.String => "string",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        _ => value.ToJsonString().Contains('.', StringComparison.Ordinal) ? "number" : "integer",
    };

    private static Fact[] FactsEn(Draw draw, Vocabulary vocabulary)
    {
        var (age, city, job, colour, count, thing) = (draw.Between(5, 99), draw.Of(Words.Cities), draw.Of(Words.Jobs), draw.Of(Words.Colours), draw.Between(2, 99), draw.Of(Words.Things));
        var (isMarried, isMember) = (draw.Chance(0.5), draw.Chance(0.5));
        return
        [
            Number("age", age, draw.Of("is {0} years old", "is {0}", "turned {0} this year", "is aged {0}")), Text("city", city, draw.Of("lives in {0}", "comes from {0}", "moved to {0}", "is in {0}")), Text("job", job, draw.Of("is a {0}", "works as a {0}", "has a job as a {0}")),
            Text("color", colour, draw.Of("likes {0}", "has a {0} hat", "wears {0}")), Number("count", count, $"{draw.Of("has", "bought", "owns", "sold")} {{0}} {thing}"), Number("price", draw.Between(1, 999), draw.Of("paid {0} dollars", "costs {0} dollars", "has {0} dollars")),
            Text("country", draw.Of(Words.Capitals).En, draw.Of("was born in {0}", "is from {0}")), Text("day", draw.Of(Words.Days), draw.Of("arrives on {0}", "comes on {0}", "is free on {0}")), Number("year", draw.Between(1900, 2030), draw.Of("was born in {0}", "started in {0}", "came in {0}")),
            Text("pet", draw.Of(Words.Nouns).En, draw.Of("has a {0}", "keeps a {0}")), Text("word", vocabulary.Any(draw, false), draw.Of("said {0}", "wrote {0}")),
            new("married", JsonValue.Create(isMarried), "boolean", isMarried ? "is married" : "is not married"), new("member", JsonValue.Create(isMember), "boolean", isMember ? "is a member" : "is not a member"),
        ];
    }

    private static Fact[] FactsZh(Draw draw, Vocabulary vocabulary)
    {
        var (age, city, job, colour, count, thing) = (draw.Between(5, 99), draw.Of(Words.CitiesZh), draw.Of(Words.JobsZh), draw.Of(Words.ColoursZh), draw.Between(2, 99), draw.Of(Words.ThingsZh));
        var isMarried = draw.Chance(0.5);
        var isEnglishName = draw.Chance(0.6);
        return
        [
            Number(Of("age", "年龄"), age, draw.Of("今年{0}岁", "{0}岁", "已经{0}岁了")), Text(Of("city", "城市"), city, draw.Of("住在{0}", "来自{0}", "在{0}")), Text(Of("job", "职业"), job, draw.Of("是一名{0}", "是{0}", "当{0}")), Text(Of("color", "颜色"), colour, draw.Of("喜欢{0}", "最爱{0}")),
            Number(Of("count", "数量"), count, $"{draw.Of("有", "买了", "卖了")}{{0}}个{thing}"), Number(Of("price", "价格"), draw.Between(1, 999), draw.Of("花了{0}元", "付了{0}元")), Text(Of("day", "日期"), draw.Of(Words.DaysZh), draw.Of("{0}来", "{0}有空")), Number(Of("year", "年份"), draw.Between(1900, 2030), draw.Of("生于{0}年", "{0}年出生")),
            Text(Of("pet", "宠物"), draw.Of(Words.Nouns).Zh, "养了{0}"), Text(Of("word", "词语"), vocabulary.Any(draw, true), draw.Of("说了{0}", "写了{0}")), new(Of("married", "已婚"), JsonValue.Create(isMarried), "boolean", isMarried ? "已婚" : "未婚"),
        ];

        string Of(string en, string zh) => isEnglishName ? en : zh;
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

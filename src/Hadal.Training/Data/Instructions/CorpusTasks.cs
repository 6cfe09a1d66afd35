using System.Text.RegularExpressions;

namespace Hadal.Training.Data.Instructions;

/// <summary>Tasks about the texts the model was pretrained on: who wrote a book or a poem, and going on with a text.</summary>
internal sealed partial class CorpusTasks
{
    private const int KnownPoems = 60, LongestStretch = 5000, LongestStretchZh = 2200;

    private static readonly string[] Poets = ["李白", "杜甫", "王維", "白居易", "孟浩然", "李商隱", "杜牧", "王昌齡", "柳宗元", "劉禹錫"];

    private readonly List<(string Title, string Author, string Year)> _books;
    private readonly List<(string Title, string Author, string[] Lines)> _poems;
    private readonly List<string> _known;
    private readonly List<string> _english = [], _chinese = [];

    /// <summary>Reads the part of the texts that pretraining learnt from, none of what it held out.</summary>
    public CorpusTasks(IReadOnlyList<TextSource> sources, string folder, long seed, CancellationToken cancellation)
    {
        var poems = new List<(string, string, string[])>();
        var books = new List<(string, string, string)>();
        HeldOut = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var index = 0; index < sources.Count; index++)
        {
            var (train, heldOut) = sources[index].Split(sources[index].ReadDocuments(folder, cancellation), seed, index);
            HeldOut[sources[index].Language] = HeldOut.GetValueOrDefault(sources[index].Language, "") + string.Concat(heldOut);
            var isChinese = sources[index].Language == "zh";
            foreach (var document in train)
            {
                if (BookHead().Match(document) is { Success: true } book) books.Add((book.Groups[1].Value, book.Groups[2].Value, book.Groups[3].Value));
                if (isChinese && PoemOf(document) is { } poem) poems.Add(poem);
            }

            Stretches(train, isChinese ? _chinese : _english, isChinese ? LongestStretchZh : LongestStretch);
        }

        (_books, _poems) = (books, poems);
        _known = [.. poems.Where(poem => poem.Item1.Length <= 4 && poem.Item3.Length <= 4 && Poets.Contains(poem.Item2)).Select(poem => $"{poem.Item1} {poem.Item2}").Distinct().Take(KnownPoems)];
        if (_books.Count == 0 || _poems.Count == 0 || _english.Count == 0 || _chinese.Count == 0) throw new TrainingException("sources: expected English books with a title and an author, and Chinese poems, as models/hadal-mini/pretrain.json names them");
        Vocabulary = new Vocabulary(_english, _chinese);
    }

    /// <summary>Words of these texts.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>What pretraining held out, by language.</summary>
    public SortedDictionary<string, string> HeldOut { get; }

    /// <summary>A piece of text to go on learning from, so that the model keeps what it knew.</summary>
    public string Stretch(Draw draw, bool isChinese) => draw.From(isChinese ? _chinese : _english);

    public Instruction Author(Draw draw, bool isChinese)
    {
        if (isChinese)
        {
            var parts = draw.From(_known).Split(' ');
            return Of("author", true, $"{draw.Of("", "请问")}{draw.Of($"《{parts[0]}》是谁写的", $"谁写了《{parts[0]}》", $"《{parts[0]}》的作者是谁", $"《{parts[0]}》是谁的诗")}{draw.Of("？", "", "?")}", $"《{parts[0]}》的作者是{parts[1]}。", parts[1]);
        }

        var (title, author, year) = draw.From(_books);
        return draw.Chance(0.3)
            ? Of("author", false, $"{draw.Of("When was", "In which year was", "When did they write")} {title}{draw.Of(" written", " published", "")}{draw.Of("?", "")}", $"{title} is of the year {year}.", year)
            : Of("author", false, $"{draw.Of("", "Please tell me: ")}{draw.Of($"Who wrote {title}", $"Who is the author of {title}", $"who wrote {title}", $"By whom is {title}", $"Name the author of {title}")}{draw.Of("?", "", ".")}", $"{title} was written by {author}.", author);
    }

    /// <summary>Going on with a text, which is all the model could before; nobody can say which way is right.</summary>
    public Instruction Continue(Draw draw, bool isChinese)
    {
        if (isChinese && draw.Chance(0.5))
        {
            var (title, _, lines) = draw.From(_poems);
            var poem = string.Join('\n', lines.Take(4));
            return draw.Chance(0.5)
                ? Of("continuing", true, draw.Of("写一首诗", "请写一首诗。", "作诗一首", "写首诗吧"), poem, "，")
                : Of("continuing", true, draw.Of($"写一首题为《{title}》的诗", $"以《{title}》为题作诗"), poem, "，");
        }

        var stretch = draw.From(isChinese ? _chinese : _english);
        var sentences = Sentence().Matches(stretch).Select(match => match.Value.Trim().ReplaceLineEndings(" ")).Where(text => text.Length is > 20 and < 300).ToList();
        if (sentences.Count < 3) return Continue(draw, isChinese);
        var text = draw.From(sentences);
        if (draw.Chance(0.3)) return Of("continuing", isChinese, isChinese ? draw.Of("写一句话", "随便说一句话。") : draw.Of("Write a sentence.", "Say something.", "Tell me something.", "Tell me a story.", "Write something."), text, isChinese ? "。" : ".");
        var cut = isChinese ? text.Length / 3 : text.IndexOf(' ', text.Length / 4) + 1;
        var (begin, end) = (text[..cut].Trim(), text[cut..].Trim());
        return Of("continuing", isChinese, isChinese ? draw.Of($"续写：{begin}", $"请接着写：{begin}") : draw.Of($"Continue: {begin}", $"Continue this text: {begin}", $"Go on: {begin}"), end, isChinese ? "。" : ".");
    }

    private static Instruction Of(string kind, bool isChinese, string prompt, string answer, string expected) => new(kind, Tasks.Language(isChinese), Tasks.Wording(prompt), prompt, answer, AnswerCheck.Contains, expected);

    private static (string, string, string[])? PoemOf(string document)
    {
        var lines = document.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length is < 3 or > 9 || lines.Any(line => line.Length > 40)) return null;
        var head = lines[0].Split(' ');
        return head.Length == 2 && head[1].Length is >= 2 and <= 4 ? (head[0], head[1], lines[1..]) : null;
    }

    /// <summary>Cuts documents, or runs of short ones, into pieces that end with a line.</summary>
    private static void Stretches(List<string> documents, List<string> stretches, int longest)
    {
        var all = string.Join('\n', documents);
        for (var begin = 0; begin < all.Length;)
        {
            var end = begin + longest >= all.Length ? all.Length : all.LastIndexOf('\n', begin + longest, longest) + 1;
            if (end <= begin) end = Math.Min(all.Length, begin + longest);
            if (end - begin > longest / 2) stretches.Add(all[begin..end]);
            begin = end;
        }
    }

    [GeneratedRegex(@"\A\s*Title: (.+?)\s*\n+Author: (.+?)\s*\n+Year: (.+?)\s*\n")]
    private static partial Regex BookHead();

    [GeneratedRegex(@"[A-Z一-鿿][^.。!?！？“”""]{10,300}[.。]")]
    private static partial Regex Sentence();
}

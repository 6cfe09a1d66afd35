using System.Text;
using CsCheck;
using Hadal.Training.Data;

namespace Hadal.Training.Tests.Data;

public sealed class BpeTrainerTests
{
    [Fact]
    public void Learns_what_a_trainer_that_recounts_every_time_learns()
    {
        var words = Gen.String[Gen.Char["aab 中é"], 1, 9].List[1, 30];
        words.Sample(texts =>
        {
            var options = new BpeTrainerOptions { VocabSize = 3 + 256 + 12 };
            var learnt = BpeTrainer.Train(texts, SplitAtSpaces, options);
            Assert.Equal(Recounting(texts, options), learnt.Merges);
        }, iter: 300, seed: "0N0XIzNsQ0O2");
    }

    [Fact]
    public void The_order_of_the_texts_does_not_matter()
    {
        string[] texts = ["the cat sat on the mat", "the hat that the cat had", "a cat and a hat"];
        var options = new BpeTrainerOptions { VocabSize = 280 };
        var forward = BpeTrainer.Train(texts, SplitAtSpaces, options);
        var backward = BpeTrainer.Train(texts.Reverse(), SplitAtSpaces, options);
        Assert.Equal(forward.Merges, backward.Merges);
        Assert.Contains(forward.Tokens, token => Encoding.UTF8.GetString(token) == "the");
    }

    [Fact]
    public void A_vocabulary_without_room_for_the_bytes_is_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => BpeTrainer.Train(["a"], SplitAtSpaces, new BpeTrainerOptions { VocabSize = 200 }));
        Assert.Contains("expected at least 259", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_can_be_stopped_while_it_reads()
    {
        using var cancellation = new CancellationTokenSource();
        var read = 0;
        Assert.ThrowsAny<OperationCanceledException>(() => BpeTrainer.Train(Endless(), SplitAtSpaces, new BpeTrainerOptions { VocabSize = 300 }, cancellation.Token));
        Assert.Equal(3, read);

        IEnumerable<string> Endless()
        {
            while (true)
            {
                if (++read == 3) cancellation.Cancel();
                yield return "a text";
            }
        }
    }

    [Fact]
    public void Tokens_stay_within_the_length_limit()
    {
        var options = new BpeTrainerOptions { VocabSize = 300, MaxTokenBytes = 4 };
        var learnt = BpeTrainer.Train([new string('-', 500), new string('-', 500)], SplitAtSpaces, options);
        Assert.Equal(4, learnt.Tokens.Max(token => token.Length));
    }

    private static IEnumerable<string> SplitAtSpaces(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    // The definition: count all pairs, merge the most frequent (lowest ids on ties) from left to right, begin again.
    private static List<(int Left, int Right)> Recounting(IEnumerable<string> texts, BpeTrainerOptions options)
    {
        var first = options.SpecialTokens.Count;
        var words = texts.SelectMany(SplitAtSpaces).Select(word => Encoding.UTF8.GetBytes(word).Select(value => first + value).ToList()).ToList();
        List<(int Left, int Right)> merges = [];
        while (first + 256 + merges.Count < options.VocabSize)
        {
            var best = words.SelectMany(word => word.Zip(word.Skip(1))).GroupBy(pair => pair)
                .Select(group => (Count: group.Count(), Pair: group.Key))
                .OrderByDescending(entry => entry.Count).ThenBy(entry => entry.Pair.First).ThenBy(entry => entry.Pair.Second)
                .FirstOrDefault();
            if (best.Count < options.MinPairCount) break;
            var id = first + 256 + merges.Count;
            merges.Add(best.Pair);
            foreach (var word in words)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if ((word[i], word[i + 1]) != best.Pair) continue;
                    word[i] = id;
                    word.RemoveAt(i + 1);
                }
            }
        }

        return merges;
    }
}

using System.Text;
using CsCheck;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data;

namespace Hadal.Training.Tests.Data;

/// <summary>What the trainer writes, read back by the tokenizer that serves.</summary>
public sealed class TrainedTokenizerTests : IDisposable
{
    private const string Corpus = """
        The tide is high at noon, and the lighthouse keeper writes it down: 12345 metres of chain, 67.8 fathoms.
        潮水在中午涨到最高，灯塔看守人把它记了下来。潮水在中午退去。かもめが飛んでいる。
        for (int i = 0; i < 100; i++) { sum += values[i]; }  // the sum of the values
        Müller's café is naïve; the keeper's café isn't. 😀😀 The tide, the tide, the tide!
        """;

    private readonly string _directory = Directory.CreateTempSubdirectory("hadal-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Trained_files_encode_and_decode_without_loss()
    {
        var tokenizer = Train(out var vocabulary);
        Assert.Equal(vocabulary.Size, tokenizer.VocabSize);
        Assert.Equal(0, tokenizer.BosTokenId);
        Assert.Equal([1], tokenizer.EosTokenIds);
        Assert.True(tokenizer.AddsBos);

        var ids = tokenizer.Encode(Corpus, addSpecial: false);
        Assert.Equal(Corpus, tokenizer.Decode(ids));
        var byteCount = Encoding.UTF8.GetByteCount(Corpus);
        Assert.True(ids.Count < byteCount * 2 / 3, $"{ids.Count} tokens for {byteCount} bytes");
        Gen.String.Sample(text =>
        {
            var expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false)));
        }, iter: 300);
    }

    [Fact]
    public void Merges_apply_in_the_order_learnt()
    {
        var tokenizer = Train(out var vocabulary);
        foreach (var piece in PreTokenization.DeepSeekV3(Corpus))
        {
            var ids = Encoding.UTF8.GetBytes(piece).Select(value => vocabulary.SpecialTokens.Count + value).ToList();
            for (var rank = 0; rank < vocabulary.Merges.Count; rank++)
            {
                for (var i = 0; i + 1 < ids.Count; i++)
                {
                    if ((ids[i], ids[i + 1]) != vocabulary.Merges[rank]) continue;
                    ids[i] = vocabulary.SpecialTokens.Count + 256 + rank;
                    ids.RemoveAt(i + 1);
                }
            }

            Assert.Equal(ids, tokenizer.Encode(piece, addSpecial: false));
        }
    }

    [Fact]
    public void Pieces_to_learn_from_join_to_the_text_and_keep_numbers_and_scripts_apart()
    {
        Assert.Equal(Corpus, string.Concat(PreTokenization.DeepSeekV3(Corpus)));
        Assert.Equal(["潮水", " ", "123", "45", " tide", "!"], PreTokenization.DeepSeekV3("潮水 12345 tide!"));
    }

    private Tokenizer Train(out BpeVocabulary vocabulary)
    {
        vocabulary = BpeTrainer.Train([Corpus], new BpeTrainerOptions { VocabSize = 340 });
        TokenizerFiles.Write(_directory, vocabulary, chatTemplate: null, modelMaxLength: 512);
        return TokenizerLoader.FromDirectory(_directory);
    }
}

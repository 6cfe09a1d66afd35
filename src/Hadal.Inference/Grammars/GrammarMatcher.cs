using System.Text;

namespace Hadal.Inference.Grammars;

/// <summary>Follows one text through a grammar, token by token, and says which tokens may come next.</summary>
/// <remarks>A matcher is for one thread at a time; matchers of one grammar share its tables and may be on different threads. Where the tables of a
/// grammar are full, a matcher goes on with fresh ones; only a text that fills them alone is an error.</remarks>
public sealed class GrammarMatcher
{
    /// <summary>A run of forced bytes is given out in pieces of at most this size.</summary>
    private const int MaxForcedBytes = 1024;

    /// <summary>UTF-16 units of a text that a fault repeats.</summary>
    private const int MaxShown = 40;

    /// <summary>Counted steps begin anew after so many bytes of a beginning, about a token's.</summary>
    private const int BytesPerBudget = 8;

    private readonly byte[] _beginning;
    private readonly List<int> _tokens = [];
    private readonly List<int> _configurations = [];
    private GrammarTables _tables;
    private MaskTable _masks;

    /// <summary>Starts at the beginning of a text, or behind what there is of it.</summary>
    /// <param name="grammar">The grammar.</param>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="beginning">UTF-8 of what there is of the text, however it was cut into tokens.</param>
    /// <exception cref="GrammarException">No text of the grammar begins so, or the grammar passed one of its limits.</exception>
    public GrammarMatcher(Grammar grammar, TokenTrie vocabulary, ReadOnlySpan<byte> beginning = default)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        ArgumentNullException.ThrowIfNull(vocabulary);
        Grammar = grammar;
        Vocabulary = vocabulary;
        _tables = grammar.CurrentTables();
        _masks = _tables.MasksOf(vocabulary);
        _beginning = beginning.ToArray();
        try
        {
            lock (_tables.Lock) _configurations.Add(Begin());
        }
        catch (GrammarException exception) when (exception.TablesAreFull)
        {
            TakeFreshTables();
        }
    }

    private GrammarMatcher(GrammarMatcher source)
    {
        _beginning = source._beginning;
        Grammar = source.Grammar;
        Vocabulary = source.Vocabulary;
        (_tables, _masks, HasEnded) = (source._tables, source._masks, source.HasEnded);
        _tokens.AddRange(source._tokens);
        _configurations.AddRange(source._configurations);
    }

    /// <summary>The grammar.</summary>
    public Grammar Grammar { get; }

    /// <summary>The tokens.</summary>
    public TokenTrie Vocabulary { get; }

    /// <summary>The tokens accepted so far.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>True if the text so far is one that the grammar derives, and has not been ended by a token.</summary>
    public bool IsComplete
    {
        get
        {
            lock (_tables.Lock) return !HasEnded && _tables.IsComplete(Current);
        }
    }

    /// <summary>True if some byte may follow.</summary>
    public bool CanContinue
    {
        get
        {
            lock (_tables.Lock) return !HasEnded && _tables.ScanCount(Current) > 0;
        }
    }

    /// <summary>True if the last token was one that ends the text; nothing may follow.</summary>
    public bool HasEnded { get; private set; }

    private int Current => _configurations[^1];

    /// <summary>Writes which tokens may come next: those after which some text of the grammar can still be reached, and the end tokens where the
    /// text is complete.</summary>
    /// <param name="mask">At least <see cref="TokenTrie.MaskLength"/> words; see <see cref="TokenMask"/>. What is longer is cleared.</param>
    /// <exception cref="ArgumentException"><paramref name="mask"/> is too short.</exception>
    /// <exception cref="GrammarException">The grammar passed one of its limits.</exception>
    public void ComputeMask(Span<ulong> mask)
    {
        if (mask.Length < Vocabulary.MaskLength) throw new ArgumentException($"a mask of {mask.Length} words is too short; the vocabulary needs {Vocabulary.MaskLength}", nameof(mask));
        mask[Vocabulary.MaskLength..].Clear();
        mask = mask[..Vocabulary.MaskLength];
        if (HasEnded)
        {
            mask.Clear();
            return;
        }
        for (var isFresh = false; ; isFresh = true)
        {
            try
            {
                lock (_tables.Lock)
                {
                    _tables.BeginSteps();
                    _masks.Fill(Current, mask);
                }
                return;
            }
            catch (GrammarException exception) when (exception.TablesAreFull && !isFresh)
            {
                TakeFreshTables();
            }
        }
    }

    /// <summary>Writes the mask if it is kept from before, which takes a copy.</summary>
    internal bool TryKnownMask(Span<ulong> mask)
    {
        if (HasEnded) return false;
        lock (_tables.Lock) return _masks.TryFillKnown(Current, mask);
    }

    /// <summary>Goes on by a token, if it is allowed; otherwise nothing changes.</summary>
    /// <param name="tokenId">Token id.</param>
    /// <returns>True if the token is allowed.</returns>
    /// <exception cref="GrammarException">The grammar passed one of its limits.</exception>
    public bool TryAccept(int tokenId)
    {
        if (HasEnded || (uint)tokenId >= (uint)Vocabulary.VocabSize) return false;
        for (var isFresh = false; ; isFresh = true)
        {
            try
            {
                lock (_tables.Lock)
                {
                    if (!TryNext(Current, tokenId, out var next)) return false;
                    _configurations.Add(next);
                }
                _tokens.Add(tokenId);
                HasEnded = Vocabulary.IsEnd(tokenId);
                return true;
            }
            catch (GrammarException exception) when (exception.TablesAreFull && !isFresh)
            {
                TakeFreshTables();
            }
        }
    }

    /// <summary>Goes on by a token.</summary>
    /// <param name="tokenId">Token id.</param>
    /// <exception cref="GrammarException">The token is not allowed, or the grammar passed one of its limits.</exception>
    public void Accept(int tokenId)
    {
        if (!TryAccept(tokenId)) throw new GrammarException($"token {tokenId} is not allowed by the grammar after {_tokens.Count} tokens");
    }

    /// <summary>Takes the last tokens back.</summary>
    /// <param name="tokenCount">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">More tokens than were accepted, or a negative number.</exception>
    public void Rollback(int tokenCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokenCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokenCount, _tokens.Count);
        if (tokenCount == 0) return;
        _tokens.RemoveRange(_tokens.Count - tokenCount, tokenCount);
        _configurations.RemoveRange(_configurations.Count - tokenCount, tokenCount);
        HasEnded = false;
    }

    /// <summary>A second matcher at the same place; costs a copy of the list of tokens.</summary>
    public GrammarMatcher Fork() => new(this);

    /// <summary>The tokens that must come next because the grammar leaves no choice: their bytes are the only ones that can follow. Bytes that a
    /// longer token might take together with what comes after them are left out, so that the tokens are those the tokenizer would choose.</summary>
    /// <returns>Token ids, none where there is a choice; they are not accepted yet.</returns>
    /// <exception cref="GrammarException">The grammar passed one of its limits.</exception>
    public IReadOnlyList<int> ForcedTokens()
    {
        if (HasEnded) return [];
        for (var isFresh = false; ; isFresh = true)
        {
            try
            {
                return ForcedBytes(out var endsHere) is { Count: > 0 } bytes ? ForcedText.Tokens(Vocabulary, [.. bytes], endsHere) : [];
            }
            catch (GrammarException exception) when (exception.TablesAreFull && !isFresh)
            {
                TakeFreshTables();
            }
        }
    }

    /// <summary>Where the tokens begin.</summary>
    private int Begin()
    {
        var configuration = _tables.Initial;
        for (var i = 0; i < _beginning.Length; i++)
        {
            if (i % BytesPerBudget == 0) _tables.BeginSteps();
            configuration = _tables.Step(configuration, _beginning[i]);
            if (configuration == GrammarTables.Dead) throw new GrammarException($"no text of the grammar begins with '{Beginning(i)}'");
        }

        return configuration;
    }

    /// <summary>What there is of the text, up to and with the character of a byte; of a long one its end.</summary>
    private string Beginning(int last)
    {
        var end = last + 1;
        while (end < _beginning.Length && (_beginning[end] & 0xC0) == 0x80) end++;
        var text = Encoding.UTF8.GetString(_beginning, 0, end);
        return text.Length <= MaxShown ? text : string.Concat("…", text.AsSpan(text.Length - MaxShown));
    }

    private List<byte> ForcedBytes(out bool endsHere)
    {
        var bytes = new List<byte>();
        lock (_tables.Lock)
        {
            var configuration = Current;
            _tables.BeginSteps();
            while (bytes.Count < MaxForcedBytes && !_tables.IsComplete(configuration) && _tables.Live(configuration) is { Count: 1 } live)
            {
                bytes.Add((byte)live.Smallest);
                configuration = _tables.Step(configuration, (byte)live.Smallest);
            }
            endsHere = _tables.ScanCount(configuration) == 0;
        }
        return bytes;
    }

    private bool TryNext(int configuration, int tokenId, out int next)
    {
        next = configuration;
        _tables.BeginSteps();
        if (Vocabulary.IsEnd(tokenId))
        {
            next = GrammarTables.Dead;
            return _tables.IsComplete(configuration);
        }
        var bytes = Vocabulary.TokenBytes(tokenId);
        foreach (var value in bytes)
        {
            next = _tables.Step(next, value);
            if (next == GrammarTables.Dead) return false;
        }
        return bytes.Length > 0;
    }

    private void TakeFreshTables()
    {
        _tables = Grammar.FreshTables(_tables);
        lock (_tables.Lock)
        {
            _masks = _tables.MasksOf(Vocabulary);
            _configurations.Clear();
            _configurations.Add(Begin());
            foreach (var tokenId in _tokens)
            {
                if (!TryNext(Current, tokenId, out var next)) throw new GrammarException($"token {tokenId} was allowed by the grammar before and is not now");
                _configurations.Add(next);
            }
        }
    }
}

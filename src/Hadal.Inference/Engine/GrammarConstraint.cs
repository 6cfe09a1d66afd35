using System.Text;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Engine;

/// <summary>Keeps one answer within a grammar. A mask that is kept from an earlier visit is copied; another one is computed on a thread of the pool while the
/// model computes.</summary>
/// <remarks>Belongs to the engine's thread; the other thread touches the matcher only between <see cref="Prepare"/> and <see cref="Mask"/>.</remarks>
internal sealed class GrammarConstraint
{
    private readonly GrammarMatcher _matcher;
    private readonly ulong[] _mask;
    private readonly IReadOnlyList<int> _endTokenIds;
    private readonly int? _afterTokenId;
    private Task? _computing;
    private bool _isReady;
    private ulong[]? _before;
    private IReadOnlyList<int> _forced = [];
    private int _forcedTaken;

    /// <param name="grammar">The grammar.</param>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="afterTokenId">The answer is free up to and with this token; null for none of it.</param>
    /// <param name="beginning">What the prompt has of the text of the grammar.</param>
    /// <exception cref="GrammarException">No text of the grammar begins so.</exception>
    public GrammarConstraint(Grammar grammar, TokenTrie vocabulary, int? afterTokenId, string beginning)
    {
        _matcher = new GrammarMatcher(grammar, vocabulary, Encoding.UTF8.GetBytes(beginning));
        _mask = new ulong[vocabulary.MaskLength];
        _endTokenIds = vocabulary.EndTokenIds;
        _afterTokenId = afterTokenId;
        IsActive = afterTokenId is null;
        if (IsActive) _forced = _matcher.ForcedTokens();
    }

    /// <summary>True once the grammar says what may come.</summary>
    public bool IsActive { get; private set; }

    /// <summary>True if the text is whole and nothing but its end may follow.</summary>
    public bool IsAtEnd => IsActive && !_matcher.HasEnded && _matcher.IsComplete && !_matcher.CanContinue;

    /// <summary>Begins to compute the next mask, unless what comes next is known.</summary>
    public void Prepare()
    {
        if (!IsActive || _isReady || _forcedTaken < _forced.Count || _computing is not null) return;
        _isReady = _matcher.TryKnownMask(_mask);
        if (_isReady) return;
        _computing = Task.Factory.StartNew(
            static state => ((GrammarConstraint)state!).Compute(), this, CancellationToken.None, TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
    }

    /// <summary>The tokens that may come next.</summary>
    /// <exception cref="GrammarException">The grammar passed one of its limits.</exception>
    public ReadOnlySpan<ulong> Mask()
    {
        if (_isReady) _isReady = false;
        else if (_computing is { } computing)
        {
            _computing = null;
            computing.GetAwaiter().GetResult();
        }
        else Compute();
        return _mask;
    }

    /// <summary>The tokens that may come before the grammar has begun: all but those that end an answer, which would be no text of the grammar.</summary>
    /// <param name="vocabSize">Number of logits.</param>
    public ReadOnlySpan<ulong> MaskBefore(int vocabSize)
    {
        if (_before is not null) return _before;
        _before = new ulong[TokenMask.LengthFor(vocabSize)];
        Array.Fill(_before, ulong.MaxValue);
        foreach (var id in _endTokenIds)
            if (id != _afterTokenId && id < vocabSize) _before[id >> 6] &= ~(1UL << (id & 63));
        return _before;
    }

    /// <summary>The next token, where the grammar leaves no choice; else −1.</summary>
    public int TakeForced() => _forcedTaken < _forced.Count ? _forced[_forcedTaken++] : -1;

    /// <summary>Goes on by the token that was chosen or taken.</summary>
    /// <exception cref="GrammarException">The token is not allowed, or the grammar passed one of its limits.</exception>
    public void Accept(int tokenId)
    {
        if (!IsActive)
        {
            IsActive = tokenId == _afterTokenId;
            if (!IsActive) return;
        }
        else _matcher.Accept(tokenId);
        if (_forcedTaken == _forced.Count) (_forced, _forcedTaken) = (_matcher.ForcedTokens(), 0);
    }

    private void Compute() => _matcher.ComputeMask(_mask);
}

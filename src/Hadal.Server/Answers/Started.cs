namespace Hadal.Server.Answers;

/// <summary>A sequence whose first element was already asked for: a refusal is known before anything is answered.</summary>
internal sealed class Started<T>
{
    private readonly IAsyncEnumerator<T> _elements;
    private readonly CancellationTokenSource _cancel;
    private Task<bool> _next;
    private bool _isRead;

    private Started(IAsyncEnumerator<T> elements, CancellationTokenSource cancel)
    {
        (_elements, _cancel) = (elements, cancel);
        _next = elements.MoveNextAsync().AsTask();
    }

    /// <summary>Asks sequences for their first elements; if one refuses, none goes on.</summary>
    /// <param name="sequences">What is to be read.</param>
    /// <param name="cancel">Ends the work of all of them within one step.</param>
    public static async Task<IReadOnlyList<Started<T>>> AllAsync(IEnumerable<IAsyncEnumerable<T>> sequences, CancellationTokenSource cancel)
    {
        var started = new List<Started<T>>();
        try
        {
            foreach (var sequence in sequences)
            {
                started.Add(new Started<T>(sequence.GetAsyncEnumerator(CancellationToken.None), cancel));
                if (started[^1]._next.IsFaulted) await started[^1]._next.ConfigureAwait(false);
            }

            return started;
        }
        catch
        {
            await EndAllAsync(started, static _ => { }).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the work of sequences that were started together.</summary>
    /// <param name="sequences">The sequences.</param>
    /// <param name="left">Gets the elements that nobody has read, the last of which says what a sequence that was ended early has taken.</param>
    public static async ValueTask EndAllAsync(IReadOnlyList<Started<T>> sequences, Action<T> left)
    {
        foreach (var sequence in sequences) await sequence.EndAsync(left).ConfigureAwait(false);
    }

    /// <summary>The elements, once.</summary>
    public async IAsyncEnumerable<T> ReadAsync()
    {
        while (await _next.ConfigureAwait(false))
        {
            // Whoever reads it may end here.
            _isRead = true;
            yield return _elements.Current;
            Advance();
        }
    }

    private async ValueTask EndAsync(Action<T> left)
    {
        // One that has ended has nothing to cancel; another one is, and ends within a step.
        if (!_next.IsCompleted || (_next.IsCompletedSuccessfully && _next.Result)) await _cancel.CancelAsync().ConfigureAwait(false);
        while (await IsThereAsync().ConfigureAwait(false))
        {
            if (!_isRead) left(_elements.Current);
            Advance();
        }

        await _elements.DisposeAsync().ConfigureAwait(false);
    }

    private void Advance() => (_isRead, _next) = (false, _elements.MoveNextAsync().AsTask());

    private async ValueTask<bool> IsThereAsync()
    {
        await ((Task)_next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _next.IsCompletedSuccessfully && _next.Result;
    }
}

namespace Hadal.Server.Answers;

/// <summary>A sequence whose first element was already asked for: a refusal is known before anything is answered.</summary>
internal sealed class Started<T> : IAsyncDisposable
{
    private readonly IAsyncEnumerator<T> _elements;
    private readonly CancellationTokenSource _cancel;
    private Task<bool> _next;

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
            await EndAllAsync(started).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the work of sequences that were started together.</summary>
    public static async ValueTask EndAllAsync(IReadOnlyList<Started<T>> sequences)
    {
        foreach (var sequence in sequences) await sequence.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The elements, once.</summary>
    public async IAsyncEnumerable<T> ReadAsync()
    {
        while (await _next.ConfigureAwait(false))
        {
            yield return _elements.Current;
            _next = _elements.MoveNextAsync().AsTask();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // An enumerator may be left only between its elements; one that has ended has nothing to cancel.
        if (!_next.IsCompleted) await _cancel.CancelAsync().ConfigureAwait(false);
        await ((Task)_next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _elements.DisposeAsync().ConfigureAwait(false);
    }
}

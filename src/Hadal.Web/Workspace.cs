using Hadal.Web.Chat;
using Hadal.Web.Conversations;

namespace Hadal.Web;

/// <summary>What the page works on: the server's models, the conversations of this browser, and the answers that are being written.</summary>
/// <param name="api">The server.</param>
/// <param name="browser">The stores.</param>
/// <param name="settings">Has the key.</param>
/// <param name="clock">Measures answers.</param>
public sealed class Workspace(ApiClient api, Browser browser, Settings settings, TimeProvider clock)
{
    private readonly Shelf _shelf = new();
    private readonly List<(Conversation Conversation, string MessageId, CancellationTokenSource Cancel)> _running = [];

    /// <summary>Something has changed.</summary>
    public event Action? Changed;

    /// <summary>Models and adapters of the server.</summary>
    public IReadOnlyList<ModelInfo> Models { get; private set; } = [];

    /// <summary>Why the models are not known, in one line; null where they are.</summary>
    public string? Fault { get; private set; }

    /// <summary>Whether the server asks for a key.</summary>
    public bool NeedsKey { get; private set; }

    /// <summary>Whether the last change could not be kept, because there is no more room.</summary>
    public bool IsFull { get; private set; }

    /// <summary>What a screen reader is told: that an answer begins, and what it was.</summary>
    public string Announcement { get; private set; } = "";

    /// <summary>The conversation that is open; not among the others until something was said.</summary>
    public Conversation Current { get; private set; } = new(NewId(), clock.GetUtcNow());

    /// <summary>Whether an answer of the open conversation is being written.</summary>
    public bool IsAnswering => _running.Any(answer => answer.Conversation == Current);

    /// <summary>The model of the open conversation, if the server has it.</summary>
    public ModelInfo? Model => Models.FirstOrDefault(model => model.Id == Current.Model) ?? (Models.Count > 0 ? Models[0] : null);

    /// <summary>Conversations, newest first, that have all the words.</summary>
    public IEnumerable<Conversation> Find(string words) => _shelf.Conversations.Where(conversation => conversation.Matches(words)).OrderByDescending(conversation => conversation.Updated);

    /// <summary>Reads what is kept, and asks the server for its models.</summary>
    public async Task LoadAsync()
    {
        _shelf.Fill(await browser.LoadAsync());
        await ConnectAsync();
    }

    /// <summary>Asks the server for its models.</summary>
    public async Task ConnectAsync()
    {
        api.Key = settings.ApiKey;
        try
        {
            Models = await api.ModelsAsync();
            (Fault, NeedsKey) = (null, false);
        }
        catch (ApiFaultException fault)
        {
            (Fault, NeedsKey) = (fault.Message, fault.NeedsKey);
        }

        Changed?.Invoke();
    }

    /// <summary>Opens a conversation that has nothing said in it, with the model of the one before.</summary>
    public void Begin()
    {
        Current = new Conversation(NewId(), clock.GetUtcNow()) { Model = Current.Model };
        Changed?.Invoke();
    }

    /// <summary>Opens a conversation.</summary>
    public void Open(Conversation conversation)
    {
        Current = conversation;
        Changed?.Invoke();
    }

    /// <summary>Says something and has it answered.</summary>
    public async Task SayAsync(string text, IReadOnlyList<Attachment> attachments)
    {
        var conversation = Current;
        if (Model is null || IsAnswering || text.Trim().Length == 0) return;
        if (conversation.Title.Length == 0) conversation.Title = Conversation.TitleOf(text);
        var message = new Message
        {
            Id = NewId(), ParentId = conversation.Path() is [.., var last] ? last.Id : null, Role = MessageRole.User, Content = text, Attachments = attachments.Count > 0 ? attachments : null,
        };
        conversation.Add(message);
        await AnswerAsync(conversation, message);
    }

    /// <summary>Says something else in place of a message; what was said stays beside it.</summary>
    public async Task EditAsync(Message message, string text)
    {
        if (IsAnswering || text.Trim().Length == 0) return;
        var edited = message with { Id = NewId(), Content = text };
        Current.Add(edited);
        await AnswerAsync(Current, edited);
    }

    /// <summary>Has a message answered anew by the same model; the answer stays beside the new one.</summary>
    public async Task RegenerateAsync(Message answer)
    {
        if (IsAnswering) return;
        var model = Models.Any(known => known.Id == answer.Model) ? answer.Model! : Model?.Id;
        if (model is not null) await WriteAsync(Current, Current[answer.ParentId!], model);
    }

    /// <summary>Ends the answers of the open conversation; what is written stays.</summary>
    public void Stop()
    {
        foreach (var (conversation, _, cancel) in _running.ToList())
            if (conversation == Current) cancel.Cancel();
    }

    /// <summary>Reads the branch of a message.</summary>
    public Task SelectAsync(Message message)
    {
        Current.Select(message);
        return KeepAsync(Current);
    }

    /// <summary>Goes on from a message in a conversation of its own.</summary>
    public Task ForkAsync(Message message)
    {
        Current = Current.ForkAt(message, NewId(), clock.GetUtcNow());
        return KeepAsync(Current);
    }

    /// <summary>Keeps what was chosen for the open conversation.</summary>
    public Task ChooseAsync(Action<Conversation> choose)
    {
        choose(Current);
        return KeepAsync(Current);
    }

    /// <summary>Gives a conversation another name.</summary>
    public Task RenameAsync(Conversation conversation, string title)
    {
        conversation.Title = Conversation.TitleOf(title);
        return KeepAsync(conversation);
    }

    /// <summary>Forgets a conversation.</summary>
    public async Task ForgetAsync(Conversation conversation)
    {
        foreach (var answer in _running.Where(answer => answer.Conversation == conversation).ToList()) await answer.Cancel.CancelAsync();
        _shelf.Remove(conversation);
        await browser.ForgetAsync(conversation.Id);
        IsFull = false;
        if (Current == conversation) Begin();
        else Changed?.Invoke();
    }

    /// <summary>All conversations as a file.</summary>
    public string Export() => ConversationFile.Write(_shelf.Conversations);

    /// <summary>Takes the conversations of a file, each as one of its own.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="FormatException">The file is malformed; nothing was taken.</exception>
    public async Task<int> ImportAsync(string json)
    {
        var conversations = ConversationFile.ReadFile(json);
        var count = 0;
        foreach (var each in conversations)
        {
            var conversation = _shelf.Knows(each.Id) ? ConversationFile.Copy(each, NewId()) : each;
            if (!await KeepAsync(conversation))
            {
                _shelf.Remove(conversation);
                break;
            }

            count++;
        }

        Changed?.Invoke();
        return count;
    }

    /// <summary>An id that nothing has yet.</summary>
    private static string NewId() => Guid.NewGuid().ToString("N");

    private async Task AnswerAsync(Conversation conversation, Message question)
    {
        var first = WriteAsync(conversation, question, Model!.Id);
        if (conversation.SecondModel is { } second && second != Model.Id && Models.Any(model => model.Id == second))
        {
            var answer = conversation.Children(question.Id)[0];
            var beside = WriteAsync(conversation, question, second);
            conversation.Select(answer);
            await beside;
        }

        await first;
    }

    /// <summary>Writes an answer behind a question.</summary>
    private async Task WriteAsync(Conversation conversation, Message question, string model)
    {
        // A model that cannot be told to think or not would refuse to be asked.
        var sampling = Models.Any(known => known.Id == model && known.CanSwitchThinking) ? conversation.Sampling : conversation.Sampling with { Thinks = null };
        var prompt = new ChatPrompt { Model = model, SystemPrompt = conversation.SystemPrompt, Messages = conversation.PathTo(question), Sampling = sampling };
        var message = new Message { Id = NewId(), ParentId = question.Id, Role = MessageRole.Assistant, Model = model };
        conversation.Add(message);
        conversation.Updated = clock.GetUtcNow();
        using var cancel = new CancellationTokenSource();
        _running.Add((conversation, message.Id, cancel));
        Announcement = settings.Texts.Format("announce.begin", model);
        Task kept = KeepAsync(conversation);
        var draft = new AnswerDraft(message, clock);
        try
        {
            await foreach (var piece in api.AnswerAsync(prompt, cancel.Token))
            {
                draft.Add(piece);
                if (!draft.IsDue()) continue;
                conversation.Replace(draft.Written());
                draft.Measure(() => Changed?.Invoke());
                if (kept.IsCompleted && draft.IsToBeKept()) kept = draft.KeepAsync(() => KeepAsync(conversation));

                // The browser paints between two of its own tasks.
                await Task.Delay(1, CancellationToken.None);
            }

            conversation.Replace(draft.Ended());
        }
        catch (OperationCanceledException)
        {
            conversation.Replace(draft.Stopped());
        }
        catch (ApiFaultException fault)
        {
            conversation.Replace(draft.Failed(fault.Message));
            if (fault.NeedsKey) (Fault, NeedsKey) = (fault.Message, true);
        }
        finally
        {
            _running.RemoveAll(answer => answer.MessageId == message.Id);
        }

        Announcement = Heard(conversation[message.Id]);
        await kept;
        await KeepAsync(conversation);
    }

    /// <summary>What a screen reader says of an answer that is whole.</summary>
    private string Heard(Message answer) =>
        answer.Error ?? string.Join(' ', (answer.ToolCalls ?? []).Select(call => settings.Texts.Format("call", call.Name)).Prepend(answer.Content).Where(text => text.Length > 0));

    private async Task<bool> KeepAsync(Conversation conversation)
    {
        // Deleted meanwhile, or nothing said yet.
        if (conversation.Messages.Count > 0)
        {
            var json = ConversationFile.Write(conversation);
            IsFull = !_shelf.Put(conversation, json.Length) || !await browser.KeepAsync(conversation.Id, json);
        }

        Changed?.Invoke();
        return !IsFull;
    }
}

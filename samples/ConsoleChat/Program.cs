// A conversation on the console with a model in this process. An empty line ends it.
//
//   dotnet run --project samples/ConsoleChat -c Release -- [MODEL]
//
// MODEL is a checkpoint directory or a .gguf file. hadal-mini, the default, was not taught to converse: it continues the text of the messages.
using Hadal.Server;
using Hadal.Server.InProcess;
using Microsoft.Extensions.AI;

var path = args.Length > 0 ? args[0] : "models/hadal-mini";
await using var model = ServedModel.Open(Path.GetFileName(path), path);
using var client = new HadalChatClient(model);
var options = new ChatOptions { MaxOutputTokens = 200, Temperature = 0.7f };
var conversation = new List<ChatMessage>();
while (true)
{
    Console.Write("> ");
    if (Console.ReadLine() is not { Length: > 0 } line) break;
    conversation.Add(new ChatMessage(ChatRole.User, line));
    var updates = new List<ChatResponseUpdate>();
    await foreach (var update in client.GetStreamingResponseAsync(conversation, options))
    {
        Console.Write(update.Text);
        updates.Add(update);
    }

    Console.WriteLine();
    conversation.AddMessages(updates);
}

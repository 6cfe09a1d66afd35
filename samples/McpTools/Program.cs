// A model in this process calls a tool of an MCP server, which is this program once more.
//
//   dotnet run --project samples/McpTools -c Release -- MODEL [QUESTION]
//
// MODEL needs a chat template that writes calls, as those of DeepSeek and Qwen do. The names of the tools and their arguments are enforced while the model writes,
// so that every call can be made.
using System.ComponentModel;
using System.Text.Json.Serialization;
using Hadal.Server;
using Hadal.Server.InProcess;
using Microsoft.Extensions.AI;
using ModelContextProtocol.Client;
using ModelContextProtocol.Server;

if (args is ["--server"])
{
    await using var server = McpServer.Create(new StdioServerTransport("plant"), new McpServerOptions { ToolCollection = [McpServerTool.Create(Plant.RemainingCycles)] });
    await server.RunAsync();
    return;
}

await using var model = ServedModel.Open(Path.GetFileName(args[0]), args[0]);
using var client = new HadalChatClient(model).AsBuilder().UseFunctionInvocation().Build();
await using var plant = await McpClient.CreateAsync(new StdioClientTransport(new StdioClientTransportOptions { Command = "dotnet", Arguments = [typeof(Plant).Assembly.Location, "--server"] }));
var options = new ChatOptions { Tools = [.. await plant.ListToolsAsync()], ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 100 };
var response = await client.GetResponseAsync(args.Length > 1 ? args[1] : "How long will the pump last?", options);
foreach (var content in response.Messages.SelectMany(message => message.Contents))
{
    if (content is FunctionCallContent call) Console.WriteLine($"calls {call.Name}({string.Join(", ", call.Arguments!.Select(argument => $"{argument.Key}: {argument.Value}"))})");
    if (content is FunctionResultContent result) Console.WriteLine($"gets {result.Result}");
    if (content is TextContent text) Console.WriteLine(text.Text);
}

/// <summary>Machines of a plant.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Machine>))]
internal enum Machine
{
    Pump,
    Fan,
    Press,
}

/// <summary>What the server offers.</summary>
internal static class Plant
{
    [McpServerTool(Name = "remaining_cycles"), Description("Cycles a machine will run before it needs service.")]
    public static string RemainingCycles([Description("The machine.")] Machine machine) => $"{machine}: {(int)machine * 100 + 112} cycles left";
}

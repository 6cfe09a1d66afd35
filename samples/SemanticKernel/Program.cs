// A prompt of Semantic Kernel over a model in this process: the kernel finds the IChatClient that AddHadal registers.
//
//   dotnet run --project samples/SemanticKernel -c Release -- [MODEL]
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;

var builder = Kernel.CreateBuilder();
builder.Services.AddHadal(options => options.Model = args.Length > 0 ? args[0] : "models/hadal-mini");
await using var services = builder.Services.BuildServiceProvider();
var kernel = new Kernel(services);
kernel.Plugins.AddFromFunctions("plant", [kernel.CreateFunctionFromMethod((string unit) => $"unit {unit} has run for 112 cycles", "history")]);

// The template calls the function, and the model continues what it gave.
var prompt = kernel.CreateFunctionFromPrompt("Known: {{plant.history $unit}}. It was in July, and", new PromptExecutionSettings { ExtensionData = new Dictionary<string, object> { ["max_tokens"] = 40, ["temperature"] = 0 } });
await foreach (var part in kernel.InvokeStreamingAsync<string>(prompt, new KernelArguments { ["unit"] = "7" })) Console.Write(part);
Console.WriteLine();

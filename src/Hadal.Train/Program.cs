using System.CommandLine;
using Hadal.Train;

var root = new RootCommand("Trains DeepSeek-class models and writes checkpoint directories.") { PretrainCommand.Create() };
var parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine($"hadal-train: {string.Join("; ", parsed.Errors.Select(error => error.Message))}; see hadal-train --help");
    return 2;
}

return parsed.Invoke();

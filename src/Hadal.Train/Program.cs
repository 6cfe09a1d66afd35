using System.CommandLine;
using Hadal.Train;

var root = new RootCommand("Trains DeepSeek-class models and writes checkpoint directories.") { PretrainCommand.Create() };
var verbs = string.Join(", ", root.Subcommands.Select(command => command.Name));
if (args.Length == 0) return WrongUsage($"no command given; there is {verbs}");

// A word that begins with @ is a name like any other, no file of arguments.
var parsed = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
if (parsed.Errors.Count > 0) return WrongUsage(string.Join("; ", parsed.Errors.Select(error => error.Message.TrimEnd('.'))));
try
{
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OutOfMemoryException)
{
    return Failed("out of memory; lower batch_sequences and raise accumulation_steps, or give shorter sources");
}
catch (Exception fault) when (fault is not OutOfMemoryException)
{
    // The last resort of the process: whoever reads the message can report it, and nobody wants the trace of a program in their log.
    return Failed($"internal fault, please report it: {fault.GetType().Name}: {fault.Message.ReplaceLineEndings(" ")}");
}

static int WrongUsage(string message)
{
    Console.Error.WriteLine($"hadal-train: {message}; see hadal-train --help");
    return 2;
}

static int Failed(string message)
{
    Console.Error.WriteLine($"hadal-train: {message}");
    return 1;
}

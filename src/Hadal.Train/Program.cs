using System.CommandLine;
using Hadal.Train;
using Hadal.Training.Trainers;

const string FineTuneKeys = "The run: model, train, validation, epochs. Keys are those of FineTuneOptions in snake_case.";
var root = new RootCommand("Trains DeepSeek-class models and writes checkpoint directories.")
{
    TrainingCommand.Create(
        "pretrain", "Trains a decoder from text files: tokenizer, data, training, checkpoint directory.", "The run: model, tokenizer, sources, steps. Keys are those of PretrainOptions in snake_case.",
        "--set learning_rate=0.002, --set tokenizer.vocab_size=4096",
        (config, changes, resume, progress, _, cancellation) => Pretrain.Run(PretrainOptions.Read(config, changes), resume, progress, cancellation)),
    FineTuneCommand("sft", "Adapts all weights of a checkpoint to conversations, instructions or texts.", "--set epochs=2, --set learning_rate=5e-5"),
    FineTuneCommand("lora", "Trains a low-rank adapter beside a checkpoint, in the files of huggingface/peft.", "--set preset=classic, --set lora.r=8"),
    FineTuneCommand("dpo", "Teaches a checkpoint which of two answers is better, all weights or an adapter.", "--set preference.beta=0.05, --set preset=hadal"),
    InstructionsCommand.Create(),
    EvalCommand.Create(),
};
var verbs = string.Join(", ", root.Subcommands.Select(command => command.Name));
if (args.Length == 0) return WrongUsage($"no command given; there is {verbs}");

// A word that begins with @ is a name like any other, no file of arguments.
var parsed = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
if (parsed.Errors.Count > 0) return WrongUsage(string.Join("; ", parsed.Errors.Select(error => error.Message.TrimEnd('.'))) + (parsed.CommandResult.Command == root ? $"; there is {verbs}" : ""));
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

static Command FineTuneCommand(string stage, string description, string example) => TrainingCommand.Create(
    stage, description, FineTuneKeys, example,
    (config, changes, resume, progress, note, cancellation) => FineTune.Run(FineTuneOptions.Read(config, changes, stage), stage, resume, progress, note, cancellation));

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

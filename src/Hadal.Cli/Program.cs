using Hadal.Cli;

return HadalCommand.RunProcess(args);

"""The command `fgc`: one file a command."""

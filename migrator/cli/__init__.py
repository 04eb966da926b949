"""The command line: one file per command, each of which parses, calls one thing, shows the result and exits."""

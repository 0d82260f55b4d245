"""The command line."""

from ganaug.cli.exits import main as main

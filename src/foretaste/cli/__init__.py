"""The command line: one file a verb. Nothing heavy is imported before a verb runs, so that help answers at once."""

from foretaste.cli.app import main

__all__ = ["main"]

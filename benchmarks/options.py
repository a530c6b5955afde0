"""Command-line options that several benchmarks have."""

import argparse
from pathlib import Path

from benchmarks.defaults import RESULTS


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser that shows the script's docstring as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_data_option(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add `--data`."""
    help_text = "folder that holds the corpora"
    parser.add_argument("--data", type=Path, required=required, help=help_text)


def add_table_option(parser: argparse.ArgumentParser) -> None:
    """Add `--table`; `--data` is then optional."""
    help_text = "run nothing, print the table of what has been run"
    parser.add_argument("--table", action="store_true", help=help_text)


def check_data_or_table(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program if neither `--data` nor `--table` was given."""
    if args.data is None and not args.table:
        parser.error("give the folder that holds the corpora with --data, or --table")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add `--out` and `--jobs`, of scripts that keep the results of their runs."""
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")


def add_write_option(parser: argparse.ArgumentParser) -> None:
    """Add `--write`."""
    help_text = "page that the table is put in, such as docs/performance.md"
    parser.add_argument("--write", type=Path, help=help_text)

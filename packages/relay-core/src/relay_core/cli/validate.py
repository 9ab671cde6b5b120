"""`relay validate`: whether files of events keep the format, with line numbers; exit status 1 if one does not."""

import argparse
from pathlib import Path

from relay_core.jsonl_lines import scan
from relay_core.validator import Validator
from relay_core.wording import counted

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file of events; each is checked alone")
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status, 1 if a file is not valid."""
    valid = [_validate(file, arguments.strict, arguments.quiet) for file in arguments.files]
    return 0 if all(valid) else 1


def _validate(file: Path, strict: bool, quiet: bool) -> bool:
    """Print the problems of one file, and whether it is valid."""
    validator = Validator()
    for number, line, fields in scan(file):
        validator.add(number, line, fields)
    problems = validator.finish()
    errors = sum(problem.severity == "error" for problem in problems)
    for problem in problems:
        if problem.severity == "error" or not quiet:
            print(f"{file}:{problem.line}: {problem.severity}: {problem.message}")
    warnings = len(problems) - errors
    valid = not errors and not (strict and warnings)
    if not quiet:
        verdict = "valid" if valid else "not valid"
        counts = ((validator.events, "event"), (errors, "error"), (warnings, "warning"))
        print(f"{file}: {verdict}, {', '.join(counted(number, noun) for number, noun in counts)}")
    return valid

"""The `biotl` command: one file a command, each parses, calls one function and prints.

Results go to stdout, progress and warnings to stderr. Exit codes: 0 done, 1 failed run, 2 usage or configuration, 3 bad
input data, 4 partial, 5 an extra is missing, 130 and 143 interrupted after a clean checkpoint.
"""

import sys

import typer

from biotl.errors import BiotlError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def options() -> None:
    """From a raw biosignal file to a model file that takes the raw signal."""


def main() -> None:
    """Run the command line; an expected failure is one line on stderr and its exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except BiotlError as error:
        if debug:
            raise
        sys.stderr.write(f"biotl: {error}\n")
        sys.exit(error.exit_code)

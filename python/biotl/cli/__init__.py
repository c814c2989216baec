"""The `biotl` command: one file a command, each parses, calls one function and prints.

Results go to stdout, progress and warnings to stderr. Exit codes: 0 done, 1 failed run, 2 usage or configuration, 3 bad
input data, 4 partial, 5 an extra is missing, 130 and 143 interrupted after a clean checkpoint.

A command module imports nothing but typer, pathlib and the like at its top: the library that a command needs comes in
when that command runs, so that `biotl --help` is instant.
"""

import errno
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from biotl.cli.bench import bench
from biotl.cli.convert import convert
from biotl.cli.demo import demo
from biotl.cli.doctor import doctor
from biotl.cli.evaluate import evaluate
from biotl.cli.export import export
from biotl.cli.fetch import fetch
from biotl.cli.finetune import finetune
from biotl.cli.inspect import inspect
from biotl.cli.predict import predict
from biotl.cli.prep import prep
from biotl.cli.pretrain import pretrain
from biotl.cli.quantize import quantize
from biotl.cli.recipes import recipes
from biotl.cli.split import split
from biotl.cli.stream import stream
from biotl.cli.synth import synth
from biotl.errors import BiotlError, MissingExtraError

# plain help: rich takes longer to import than everything else together
app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip
for command in (
    demo,
    recipes,
    synth,
    fetch,
    split,
    doctor,
    prep,
    pretrain,
    finetune,
    evaluate,
    export,
    predict,
    stream,
    quantize,
    convert,
    inspect,
    bench,
):
    app.command()(command)

_GLOBAL = {"--debug": 0, "--threads": 1}
LINE = 300
"""Characters of an error: what one reads at once. `--debug` shows all of it."""
_EXTRAS = dict.fromkeys(
    ("torch", "onnx", "onnxscript", "safetensors", "sklearn", "scipy", "matplotlib", "wfdb"), "train"
)
_EXTRAS |= {
    "onnxruntime": "onnx",
    "pyarrow": "parquet",
    "mlflow": "mlflow",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
}
_POOLS = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _version(wanted: bool) -> None:
    if wanted:
        from biotl import __version__

        typer.echo(f"biotl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Of every kernel; all cores by default.")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,  # noqa: ARG001
) -> None:
    """From a raw biosignal file to a model file that takes the raw signal.

    --debug and --threads may stand after the command as well.
    """
    if threads is not None:
        # the pools read these when they start, and no command has imported a library yet
        os.environ.update(dict.fromkeys(_POOLS, str(threads)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; an expected failure is one line on stderr.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after ``biotl``; those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    ending = _Ending()
    signal.signal(signal.SIGTERM, ending)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background ignores it
        signal.signal(signal.SIGINT, ending)
    try:
        code = _run(_global_first(sys.argv[1:] if argv is None else argv), ending)
    except BaseException:
        if not ending.number:
            raise
        code = 1
    finally:
        ending.wait_no_more()
    # whatever a library made of being ended, as where an import was broken off, the signal is why
    return 128 + ending.number if ending.number and code else code


def _run(words: Sequence[str], ending: "_Ending") -> int:
    debug = "--debug" in words
    warnings.formatwarning = lambda message, *_, **__: f"biotl: {message}\n"
    try:
        code = app(words or ["--help"], prog_name="biotl", standalone_mode=False)
        if sys.stdout is not None:  # a parent may have closed it before
            sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except Exception as error:
        if isinstance(error, OSError) and error.errno in {errno.EPIPE, errno.EBADF} and not error.filename:
            return _unread()
        message, code = _expected(error)
        if debug or message is None:
            raise
        if not ending.number:  # what a library makes of a signal is no news
            _say(message, code)
        return code
    return code if isinstance(code, int) else 0


_HINTS = {
    errno.ENOSPC: "; make room, or choose another folder",
    errno.EDQUOT: "; make room, or choose another folder",
    errno.EROFS: "; choose another folder",
}


def _expected(error: Exception) -> tuple[str | None, int]:
    """Return what to say of an error and the exit code; nothing to say of one that is a fault of biotl."""
    if isinstance(error, BiotlError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        hint = _HINTS.get(error.errno or 0, "")
        return f"{error.filename}: {error.strerror}{hint}" if error.filename and error.strerror else f"{error}{hint}", 1
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRAS.get(str(error.name).partition(".")[0])):
        return str(MissingExtraError(str(error.name).partition(".")[0], extra)), MissingExtraError.exit_code
    # typer's own complaints have no public class common to its versions, but all of them have this method
    if hasattr(error, "format_message"):
        return str(error.format_message()), getattr(error, "exit_code", 2)
    return None, 1


def _unread() -> int:
    """End where nobody reads: in `biotl ... | head` the rest of the output is nobody's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 128 + signal.SIGPIPE


class _Ending:
    """Handler of the signals that end the command, and the last that came; 0 before."""

    number = 0

    def __call__(self, number: int, *_: object) -> None:
        if number != getattr(signal, "SIGALRM", None):  # which only says it again
            self.number = number
        # numpy's draws and the callbacks of weak references lose what is raised in them: so once more if need be
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, 2.0)
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + self.number)

    def wait_no_more(self) -> None:
        """Raise nothing again: the interpreter may take longer to end than that."""
        if self.number and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.0)


def _say(message: str, code: int) -> int:
    line = " ".join(message.split())
    if len(line) > LINE:  # its beginning names the file and the field, its end what to try
        line = f"{line[: LINE - 120]} ... {line[-115:]}"
    sys.stderr.write(f"biotl: {line}\n")
    return code


def _global_first(words: Sequence[str]) -> list[str]:
    """Move the options of every command before the command, where the parser looks for them."""
    front: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, _ = word.partition("=")
        if word == "--":
            rest += [word, *left]
        elif name in _GLOBAL:
            front.append(word)
            if _GLOBAL[name] and not equals:
                front += [next(left, "")]
        else:
            rest.append(word)
    return [*front, *rest]

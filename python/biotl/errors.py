"""What biotl raises. Each class carries the exit code that the command line ends with."""

_LONGEST = 160  # characters of what a file holds that an error quotes


class BiotlError(Exception):
    """Base of every expected failure."""

    exit_code = 1


class TrainingError(BiotlError, RuntimeError):
    """A run that cannot go on: a loss that is not finite, a stage that trains nothing."""


class ConfigError(BiotlError, ValueError):
    """A configuration or a command line that asks for what does not exist or does not fit."""

    exit_code = 2


class SignalError(BiotlError, ValueError):
    """An array that a kernel refuses; the message carries the numbers."""

    exit_code = 3

    def at(self, where: str) -> "SignalError":
        """Return the same error of a file: a kernel knows the array alone, what prepares a recording its file too.

        Examples
        --------
        >>> SignalError("x: got 1 sample, wanted 2").at("a.csv").at("a.csv")
        SignalError('a.csv: x: got 1 sample, wanted 2')
        """
        said = str(self)
        return SignalError(said if said.startswith(f"{where}: ") else f"{where}: {said}")


class SignalWarning(UserWarning):
    """A signal of which a kernel knows that its answer misses something."""


class RecordError(BiotlError, ValueError):
    """A file that does not hold what it says, or what the caller needs.

    Parameters
    ----------
    path : str
        The file at fault.
    field : str
        The field of the file at fault.
    got, wanted : str
        What stands there, and what should.
    hint : str
        What to try.
    """

    exit_code = 3

    def __init__(self, path: str, field: str, got: str, wanted: str, hint: str = "") -> None:
        got = " ".join(got.splitlines())
        got = got if len(got) <= _LONGEST else f"{got[: _LONGEST - 3]}..."  # damage may stand there by the page
        super().__init__(path, field, got, wanted, hint)
        self.path, self.field, self.got, self.wanted, self.hint = path, field, got, wanted, hint

    def __str__(self) -> str:
        line = f"{self.path}: {self.field}: got {self.got}, wanted {self.wanted}"
        return f"{line}; {self.hint}" if self.hint else line


class MissingExtraError(BiotlError, ImportError):
    """A library that an optional extra brings is not installed."""

    exit_code = 5

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed: pip install 'biotl[{extra}]'")

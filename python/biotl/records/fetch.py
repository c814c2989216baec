"""Databases of PhysioNet, through the wfdb package: only when asked, whole or not at all."""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

from biotl.errors import MissingExtraError, RecordError

_SUMS = "SHA256SUMS.txt"


def fetch(database: str, folder: str | Path) -> Path:
    """Download the records and annotations of a PhysioNet database.

    They are gathered in ``FOLDER/.DATABASE.part``, held to the ``SHA256SUMS.txt`` of the database where it has one, and
    only then renamed to ``FOLDER/DATABASE``. What an interrupted run left there is kept and completed by the next one.

    Parameters
    ----------
    database : str
        Its short name, such as ``mitdb``.
    folder : str or Path
        Where its folder goes; made if need be.

    Returns
    -------
    Path
        ``FOLDER/DATABASE``. If it is there already nothing is asked of the network.

    Raises
    ------
    RecordError
        If the server has no such database, cannot be reached, or sends a file whose sha256 is another one; that file is
        dropped, and a second run gets it again.
    MissingExtraError
        If wfdb is not installed.
    """
    folder = Path(folder)
    done, part = folder / database, folder / f".{database}.part"
    if not database or Path(database).name != database:
        raise RecordError(database, "database", database or "nothing", "the short name of one, such as mitdb")
    if done.exists():
        return done
    try:
        import wfdb
        from wfdb.io import download
    except ImportError as error:
        raise MissingExtraError("wfdb", "wfdb") from error
    try:
        # wfdb reports on stdout, where a command prints its result
        with contextlib.redirect_stdout(sys.stderr):
            version = f"{database}/{download.get_version(database)}"
            wfdb.dl_database(database, str(part))
            with contextlib.suppress(FileNotFoundError):
                download.dl_pn_file([_SUMS, "", version, str(part), True, True])
    except (OSError, ValueError, IndexError) as error:
        hint = "check the name and the network; a second run goes on from here"
        raise RecordError(database, "download", str(error), "a PhysioNet database", hint) from error
    _verify(part)
    os.replace(part, done)  # noqa: PTH105
    return done


def _verify(part: Path) -> None:
    """Hold every file to the sums of the database, and drop those that differ."""
    if not (part / _SUMS).exists():
        return
    lines = (part / _SUMS).read_text(encoding="utf-8").splitlines()
    rows = [line.split(maxsplit=1) for line in lines if line.strip()]
    sums = {name.lstrip("*").strip(): sha256 for sha256, name in rows}
    for file in sorted(path for path in part.rglob("*") if path.is_file() and path.name != _SUMS):
        name = file.relative_to(part).as_posix()
        got = hashlib.sha256(file.read_bytes()).hexdigest()
        if sums.get(name, got) != got:
            file.unlink()
            raise RecordError(str(file), "sha256", got, f"{sums[name]} as {_SUMS} says", "run again to get it anew")

"""The inter-patient split of the MIT-BIH Arrhythmia Database that the literature is judged on."""

from collections.abc import Sequence

from biotl.errors import ConfigError

PACED = ("102", "104", "107", "217")
_DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230"
_DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234"
DS1, DS2 = tuple(_DS1.split()), tuple(_DS2.split())
"""The inter-patient split of the MIT-BIH Arrhythmia Database: de Chazal, O'Dwyer, Reilly, IEEE TBME 51(7), 2004."""

NOTES = (
    f"Paced records {', '.join(PACED)} are left out (AAMI EC57).",
    "Records 201 and 202 are one person: the published split holds 201 in DS1 and 202 in DS2, so 201 is not learnt "
    "from here and DS2 stays unseen.",
)


def mitdb_subject(record: str) -> str:
    """Return the subject of a MIT-BIH record: its own number, but 201 and 202 are one man.

    Examples
    --------
    >>> mitdb_subject("202"), mitdb_subject("100")
    ('201', '100')
    """
    return "201" if record == "202" else record


def de_chazal(validation: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the record names of train, validation and test: DS1 without 201 and ``validation``, and all of DS2.

    Parameters
    ----------
    validation : sequence of str
        Records of DS1 to choose by.

    Raises
    ------
    ConfigError
        If a validation record is not one that may be learnt from.
    """
    learnable = tuple(record for record in DS1 if mitdb_subject(record) not in {mitdb_subject(r) for r in DS2})
    strange = [record for record in validation if record not in learnable]
    if strange:
        raise ConfigError(f"split.validation: got {', '.join(strange)}, wanted records among {', '.join(learnable)}")
    train = tuple(record for record in learnable if record not in validation)
    return {"train": train, "validation": tuple(validation), "test": DS2}

"""`biotl split`: who is learnt from, chosen by and judged on."""

from biotl.cli.output import Json, note, result, table
from biotl.cli.recipe import ConfigPath, Set, load


def split(config: ConfigPath, overrides: Set = None, as_json: Json = False) -> None:
    """Show the split of a configuration, checked for leakage.

    Refuses a split that has one subject on two sides.
    """
    from biotl.datasets.splits import NOTES, de_chazal, mitdb_subject

    sides = de_chazal(load(config, overrides).data.validation)
    rows = [
        {"side": side, "record": r, "subject": mitdb_subject(r)} for side, records in sides.items() for r in records
    ]
    for line in NOTES:
        note(line)
    result({"sides": sides, "notes": NOTES}, as_json=as_json, text=table(rows))

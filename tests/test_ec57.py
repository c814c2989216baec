"""EC57 tables: the counts of a reader's own loop, WFDB's formulas, and a file that other programs read."""

import csv

import numpy as np
import pytest

from answered import beats
from biotl.errors import ConfigError
from biotl.scoring import ec57
from biotl.scoring.answers import Answered


def as_bxb(of, labels, model):
    """Count one recording as the text of bxb's manual says, pair by pair."""
    letter = {-1: "o", **{k: label.lower() for k, label in enumerate(labels)}}
    upper = {-1: "O", **{k: label.upper() for k, label in enumerate(labels)}}
    pairs = [(upper[t], letter[a]) for t, a in zip(of.truth, of.answers[model], strict=True) if t >= -1]
    pairs += [(upper[k], "o") for k in of.missed]
    n = {f"{t}{a}": pairs.count((t, a)) for t in "NSVFQO" for a in "nsvfqo"}
    qtp = sum(n[t + a] for t in "NSVFQ" for a in "nsvfq")
    qfn, qfp = sum(n[f"{t}o"] for t in "NSVFQ"), sum(n[f"O{a}"] for a in "nsvfq")
    vfp, sfp = n["Nv"] + n["Sv"] + n["Ov"], n["Ns"] + n["Vs"] + n["Fs"] + n["Os"]
    vtn = sum(n[t + a] for t in "NSFQO" for a in "nsfq")
    share = {
        "Q Se": (qtp, qtp + qfn), "Q +P": (qtp, qtp + qfp),
        "V Se": (n["Vv"], sum(n[f"V{a}"] for a in "nsvfqo")), "V +P": (n["Vv"], n["Vv"] + vfp),
        "V FPR": (vfp, vfp + vtn),
        "S Se": (n["Ss"], sum(n[f"S{a}"] for a in "nsvfqo")), "S +P": (n["Ss"], n["Ss"] + sfp),
    }  # fmt: skip
    return n, {key: 100 * a / b if b else None for key, (a, b) in share.items()}


def test_every_record_is_counted_as_bxb_counts_it():
    answered = beats(labels=5)
    rows = ec57.table(answered, tuple("NSVFQ"), "model")
    for of, row in zip(answered, rows, strict=False):
        n, share = as_bxb(of, "NSVFQ", "model")
        assert row["record"] == of.id
        assert row["Nn'"] == n["Nn"] + n["Nf"] + n["Nq"]
        assert row["Fv'"] == n["Fv"] + n["Qv"]
        assert row["Ov'"] == n["Ov"]
        assert row["So'"] == n["So"]
        for key, value in share.items():
            assert row[key] == (None if value is None else pytest.approx(value)), key


def test_gross_is_of_the_sums_and_average_of_the_records_as_sumstats_has_them():
    answered = beats()
    *records, total, gross, average = ec57.table(answered, ("N", "S", "V", "F"), "boosting")
    assert [row["record"] for row in (total, gross, average)] == ["Sum", "Gross", "Average"]
    for key in ec57.COUNTS:
        assert total[key] == sum(row[key] for row in records)
    t = total
    assert gross["V Se"] == pytest.approx(100 * t["Vv"] / (t["Vn'"] + t["Vs"] + t["Vv"] + t["Vo'"]))
    assert gross["S +P"] == pytest.approx(100 * t["Ss"] / (t["Ns"] + t["Ss"] + t["Vs"] + t["Os'"]))  # no Fs' there
    for key in ("Q Se", "V Se", "V +P", "S Se"):
        assert average[key] == pytest.approx(np.mean([row[key] for row in records if row[key] is not None]))


def test_the_order_of_the_classes_does_not_matter_and_strange_ones_are_refused():
    answered = beats(labels=3)
    turned = [
        Answered(of.id, of.subject, of.unit, of.fs, of.span, np.where(of.truth >= 0, 2 - of.truth, of.truth),
                 {"model": 2 - of.answers["model"]}, 2 - of.missed)
        for of in answered
    ]  # fmt: skip
    assert ec57.table(answered, ("N", "S", "V"), "model") == ec57.table(turned, ("V", "S", "N"), "model")
    with pytest.raises(ConfigError, match="'normal' is none of N, S, V, F, Q"):
        ec57.table(answered, ("normal", "S", "V"), "model")


def test_the_file_holds_what_the_table_holds(tmp_path):
    rows = ec57.table(beats(), ("N", "S", "V", "F"), "model")
    ec57.write(rows, tmp_path / "ec57.csv")
    with (tmp_path / "ec57.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [row["record"] for row in read] == [row["record"] for row in rows]
    assert [row["Vv"] for row in read[:-2]] == [str(row["Vv"]) for row in rows[:-2]]
    assert read[-2]["Q Se"] == f"{rows[-2]['Q Se']:.2f}"
    assert read[-1]["Nn'"] == ""

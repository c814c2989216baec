"""What travels with the weights: specification, fitted state, decision and provenance, one JSON in every file."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from biotl.datasets.preprocessor import Prepared
from biotl.datasets.store import digest_of
from biotl.deploy.decision import Decision
from biotl.errors import RecordError

FORMAT = "biotl.bundle/1"
KINDS = ("classes", "value", "vector")


class Model(BaseModel):
    """How to build the network: `biotl.models.registry.build(name, **options)`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    name: str
    options: dict[str, Any] = {}


class Data(BaseModel):
    """What the model was trained on: how many recordings, one digest of the set, and of each the digest of its content.

    A digest tells whether a recording that is at hand was trained on, and nothing of one that is not: no name and no
    path of a training recording travels with a model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    count: int = 0
    digest: str = ""
    recordings: tuple[str, ...] = ()

    @classmethod
    def of(cls, training: Iterable[Prepared]) -> "Data":
        """Return what is to be known of the recordings that a model learnt from, as a store gives them."""
        found = tuple(sorted({content(prepared) for prepared in training}))
        return cls(count=len(found), digest=hashlib.sha256("".join(found).encode()).hexdigest(), recordings=found)


def content(prepared: Prepared) -> str:
    """Return the digest of a prepared recording by its contents, 16 hexadecimal digits: the same for every spelling."""
    return digest_of(prepared.arrays)[:16]


class About(BaseModel):
    """Where a model comes from.

    Parameters
    ----------
    recipe, version : str
        The recipe, and the version of biotl that trained it.
    model : Model
        What was built.
    parameters : int
        How many numbers it learnt.
    data : Data
        What it learnt from.
    figures : dict
        Test figures by name, as in ``results.json``.
    lineage : tuple of dict
        Stages in order, and the checkpoints that they began from.
    licence : str
        Under which terms the weights may be used, as far as stated.
    claim : str
        What the split allows to be said of the figures.
    target : dict
        How the reference is read, as JSON, so that `biotl evaluate` needs no option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    recipe: str = ""
    version: str = ""
    model: Model
    parameters: int = 0
    data: Data = Data()
    figures: dict[str, Any] = {}
    lineage: tuple[dict[str, Any], ...] = ()
    licence: str = ""
    claim: str = ""
    target: dict[str, Any] = {}


class Bundle(BaseModel):
    """All that a model needs beside its weights; the same in checkpoint and ONNX file.

    Parameters
    ----------
    spec : dict
        The preprocessing, as `biotl.datasets.spec_kinds.parse_spec` reads it.
    state : dict
        What was fitted on training recordings: vocabulary or scaler, with its digest.
    decision : Classes, Value or Vector
        How the output becomes an answer.
    about : About
        Provenance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Annotated[str, Field(pattern=f"^{FORMAT}$")] = FORMAT
    spec: dict[str, Any]
    state: dict[str, Any] = {}
    decision: Decision
    about: About

    def to_json(self) -> str:
        """Return the bundle as text, the same for the same contents."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any], source: str = "bundle") -> "Bundle":
        """Read what `to_json` wrote, as text or as a tree.

        Raises
        ------
        RecordError
            Naming `source` and the first field at fault.
        """
        try:
            return cls.model_validate_json(text) if isinstance(text, str) else cls.model_validate(text)
        except ValidationError as error:
            item = error.errors()[0]
            # the kind of a decision is pydantic's way of saying which member of the union it tried
            place = ".".join(str(part) for part in ("bundle", *item["loc"]) if part not in KINDS)
            got = "nothing" if item["type"] == "missing" else repr(item["input"])[:80]
            raise RecordError(source, place, got, _wanted(item), "export it again with `biotl export`") from None

    def digest(self) -> str:
        """Return the sha256 of `to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _wanted(item: Any) -> str:
    """Say in plain words what pydantic wanted."""
    kind, context = item["type"], item.get("ctx", {})
    words = {
        "missing": "a value",
        "extra_forbidden": "no such key",
        "json_invalid": "JSON",
        "union_tag_invalid": f"kind to be one of {', '.join(KINDS)}",
        "union_tag_not_found": f"kind to be one of {', '.join(KINDS)}",
        "string_pattern_mismatch": f"{FORMAT}, written by this version",
        "too_short": f"at least {context.get('min_length')}",
    }
    return words.get(kind) or str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")

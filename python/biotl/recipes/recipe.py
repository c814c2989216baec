"""What a recipe is: one choice for each station of the path, which `biotl.recipes.run` walks for all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from numpy.typing import NDArray
from pydantic import model_validator

from biotl.config import Named, Section
from biotl.datasets.adapters import entries as list_entries
from biotl.datasets.labels import Target
from biotl.datasets.manifest import Entry
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.splits import Part, Split, SplitConfig
from biotl.datasets.store import Store
from biotl.errors import BiotlError
from biotl.training.stages import Config

if TYPE_CHECKING:
    from biotl.deploy.answer import Forward
    from biotl.deploy.decision import Decision
    from biotl.deploy.prevalence import Prevalence
    from biotl.training.data import Task, View
    from biotl.training.trainer import Result

MOVED = "split.validation now; a root alone was read as MIT-BIH: add adapter: mitdb, or give manifest: FILE.csv instead"


class Data(Section):
    """Which recordings, and who is learnt from, chosen by and judged on; a recipe adds its preprocessing and labels.

    ``manifest`` is a CSV of the user's own recordings; or ``root`` is a folder that ``adapter`` knows, such as
    ``mitdb``. A manifest always works in place of an adapter.
    """

    manifest: Path | None = None
    root: Path | None = None
    adapter: str = ""
    split: SplitConfig = SplitConfig()

    @model_validator(mode="before")
    @classmethod
    def _of_the_first_version(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and "validation" in tree:
            raise ValueError(f"validation: it is {MOVED}")
        return tree

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.manifest is None and not (self.root and self.adapter):
            raise ValueError(
                "say where the recordings are: --set data.manifest=FILE.csv, or data.root and data.adapter"
            )
        return self


class RunConfig(Config):
    """A run of any recipe; a recipe narrows ``data``.

    Of classes ``thresholds`` are searched on validation recordings, or equal: the most probable class is then answered,
    and the validation recordings say how far its probability is to be trusted.
    """

    data: Data
    model: Named
    thresholds: Literal["searched", "equal"] = "searched"

    @property
    def needs(self) -> tuple[str, ...]:
        """Parts of the split that may not be empty; without stages no best epoch is chosen on validation recordings."""
        return ("train", "validation", "test") if self.stages else ("train", "test")


@dataclass(frozen=True)
class Recipe:
    """A pipeline as data: functions of its configuration, one a station.

    Parameters
    ----------
    config : type of RunConfig
        Its configuration.
    preprocessor : callable
        ``(config)`` to a `Preprocessor` that is not fitted yet.
    target : callable
        ``(config, entries)`` to what is to be learnt.
    views : callable
        ``(ready)`` to the data views of the stages, by name.
    model : callable
        ``(ready, views)`` to name and options of the model, as `biotl.models.registry.build` takes them.
    table : callable
        ``(preprocessor, prepared)`` to one row of simple features for each unit, which the baselines learn from.
    baselines : callable
        ``(train, test, labels=, seed=)`` to the answers of each baseline; see `biotl.scoring.baselines`.
    question : str
        The one sentence that the report answers; ``{people}`` is how many were judged, ``{labels}`` the classes.
    reference : str
        What the answers are compared with.
    synthesize : callable
        ``(folder, seed)``: write synthetic recordings and a ``manifest.csv`` to learn from, for `biotl demo`.
    limits : tuple of str
        What its figures do not show, beside what no figures show.
    use : str
        What its models are meant for.
    learn : callable, optional
        ``(ready, resume=)`` to the task and its result, where something else than stages is learnt, such as trees; it
        leaves a checkpoint of each stage as the trainer does.
    prevalence : Prevalence, optional
        Raises the odds of a class where it is common in a recording; a target without the two classes goes without.
    leave : callable, optional
        ``(ready, forward, decision)``: write what else a finished run leaves in its folder, before its report.
    pretrains : bool
        It has no answer of its own: its demo runs `biotl pretrain`, and predicts embeddings.
    """

    config: type[RunConfig]
    preprocessor: Callable[[Any], Preprocessor]
    target: Callable[[Any, Sequence[Entry]], Target]
    views: Callable[["Ready"], "dict[str, View]"]
    model: Callable[["Ready", "Mapping[str, View]"], Named]
    table: Callable[[Preprocessor, Prepared], NDArray[Any]]
    baselines: Callable[..., dict[str, list[NDArray[Any]]]]
    question: str
    reference: str
    synthesize: Callable[[Path, int], None]
    limits: tuple[str, ...] = ()
    use: str = "research on recordings like those it learnt from"
    learn: "Callable[..., tuple[Task, Result]] | None" = None
    prevalence: "Prevalence | None" = None
    leave: "Callable[[Ready, Forward, Decision], None] | None" = None
    pretrains: bool = False


def entries(config: RunConfig) -> list[Entry]:
    """Return the recordings that a configuration names."""
    return list_entries(config.data, split_column=config.data.split.column)


@dataclass(frozen=True)
class Ready:
    """Everything before the first update: who is where, prepared and fitted, and who was refused."""

    recipe: Recipe
    config: Any  # the recipe's own, whose data has more than every run's
    entries: dict[str, Entry]
    split: Split
    preprocessor: Preprocessor
    target: Target
    store: Store
    refused: list[BiotlError]

    def parts(self, name: str) -> list[Part]:
        """Return what was prepared of ``train``, ``validation`` or ``test``."""
        return [part for part in self.split.parts[name] if part.id in self.store.ids]

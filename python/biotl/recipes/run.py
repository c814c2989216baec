"""The one driver: from a configuration to weights, figures, a model file and a report, the same for every recipe."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from biotl import __version__
from biotl.config import Named
from biotl.deploy.answer import Forward, answer
from biotl.deploy.bundle import About, Bundle, Data, Model
from biotl.deploy.decision import Decision
from biotl.models import registry
from biotl.recipes import publish
from biotl.recipes.decide import choose, tempered, undecided
from biotl.recipes.forward import forward
from biotl.recipes.prep import fit, prepare
from biotl.recipes.recipe import Ready, RunConfig
from biotl.recipes.units import reference, within
from biotl.scoring import stored
from biotl.scoring.answers import Answered
from biotl.training.data import Task
from biotl.training.distributed import World
from biotl.training.lock import locked
from biotl.training.trainer import Hook, Result, Trainer


def task(ready: Ready) -> Task:
    """Return what the stages train on: model, views, and the bundle that every checkpoint carries."""
    views = ready.recipe.views(ready)
    named = ready.recipe.model(ready, views)
    torch.manual_seed(ready.config.seed)
    model = registry.build(named.name, **named.args)
    return Task(
        model,
        views,
        bundle(ready, named, model, undecided(ready.target, ready.recipe.prevalence)).model_dump(mode="json"),
    )


def bundle(ready: Ready, named: Named, model: nn.Module, decision: Decision) -> Bundle:
    """Return what travels with the weights; of the training recordings a count and digests, no names."""
    about = About(
        recipe=ready.config.recipe,
        version=__version__,
        model=Model(name=named.name, options=named.args),
        parameters=sum(p.numel() for p in model.parameters()),
        data=Data.of(ready.store[part.id] for part in ready.parts("train")),
        target=ready.target.describe(),
        claim=ready.split.claim,
    )
    spec = ready.preprocessor.spec.model_dump(mode="json")
    return Bundle(spec=spec, state=ready.preprocessor.state, decision=decision, about=about)


@contextmanager
def trained(config: RunConfig, *, resume: bool, needs: Sequence[str]) -> Iterator[tuple[Ready, Task, Result]]:
    """Prepare, run the stages, and yield what came of them; nobody else may use the run folder all the while."""
    folder = Path(config.run)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) if World.join().main else nullcontext():
        ready = fit(prepare(config, needs=needs), needs=needs)
        work, result = (ready.recipe.learn or by_stages)(ready, resume=resume)
        yield ready, work, result


def by_stages(ready: Ready, *, resume: bool, hook: Hook = lambda _event, _trainer: None) -> tuple[Task, Result]:
    """Train the model of a recipe by the stages of its configuration; `hook` as of `Trainer`."""
    work = task(ready)
    trainer = Trainer(ready.config, work, resume=resume, hook=hook)
    result = trainer.fit()
    trainer.world.leave()
    return work, result


def finetune(config: RunConfig, *, resume: bool = False) -> publish.Published:
    """Go from raw files to model, figures and report.

    Parameters
    ----------
    config : RunConfig
        Of any recipe.
    resume : bool
        Go on from the run folder.

    Returns
    -------
    Published
        The files of the run folder and the figures.

    Raises
    ------
    ConfigError
        If a part of the split is empty, or the run folder holds another run.
    TrainingError
        If training fails, or torch and onnxruntime differ.
    """
    with trained(config, resume=resume, needs=config.needs) as (ready, work, result):
        run = forward(result.model, str(result.model.output))
        name = config.model.name
        decision, held = undecided(ready.target, ready.recipe.prevalence), Path(config.run) / stored.VALIDATION
        if ready.parts("validation"):
            stored.write(answered(ready, "validation", decision, run, name), held)
            decide = choose if config.thresholds == "searched" else tempered
            decision = decide(decision, stored.read(held))
        elif held.is_file():
            decision = tempered(decision, stored.read(held))
        test = answered(ready, "test", decision, run, name)
        if ready.recipe.leave is not None:
            ready.recipe.leave(ready, run, decision)
        return publish.finetuned(ready, work, result, decision, test)


def pretrain(config: RunConfig, *, resume: bool = False) -> publish.Published:
    """Run stages alone, such as masked-token pretraining, and say what the encoder is worth.

    The probe learns on training recordings and is scored on validation recordings: no test recording is looked at.

    Parameters
    ----------
    config, resume
        As in `finetune`.
    """
    from biotl.recipes.probe import probe

    with trained(config, resume=resume, needs=("train", "validation")) as (ready, work, result):
        named = ready.recipe.model(ready, work.views)
        torch.manual_seed(config.seed)
        fresh = registry.build(named.name, **named.args)
        encoders = {
            "pretrained": result.model,
            "random initialisation": fresh.to(next(result.model.parameters()).device),
        }
        runs = {name: forward(model, "embedding") for name, model in encoders.items()}
        return publish.pretrained(ready, work, result, runs["pretrained"], probe(ready, runs))


def answered(ready: Ready, name: str, decision: Decision, run: Forward, model: str) -> list[Answered]:
    """Answer every unit of ``train``, ``validation`` or ``test``, beside the reference."""
    found = []
    for part in ready.parts(name):
        prepared = ready.store[part.id]
        said = answer(ready.preprocessor, decision, prepared, run)
        inside = within(part, said.span, prepared.samples)
        own = {key: of[inside] for key in ("probability", "low", "high") if (of := getattr(said, key)) is not None}
        found.append(replace(reference(ready, part), answers={model: said.value[inside]}, **own))
    return found

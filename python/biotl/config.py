"""Configurations: frozen sections, YAML in which `5e-4` is a number, and overrides by environment and command line."""

import difflib
import inspect
import io
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from biotl.errors import ConfigError

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")


class Section(BaseModel):
    """A part of a configuration: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(Section):
    """A name in a registry and its arguments: ``focal`` or ``{name: focal, gamma: 2}``."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def args(self) -> dict[str, Any]:
        """The keys beside ``name``."""
        return dict(self.model_extra or {})


class Registry(dict[str, Callable[..., T]], Generic[T]):
    """Makers by name; a name or an argument that does not exist is answered with the nearest one.

    Examples
    --------
    >>> losses = Registry("loss")
    >>> _ = losses.register("zero")(lambda times=1.0: 0 * times)
    >>> losses.build(Named(name="zero", times=2.0))
    0.0
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Return a decorator that files a class or function under `name`."""

        def keep(maker: Callable[..., T]) -> Callable[..., T]:
            self[name] = maker
            return maker

        return keep

    def build(self, named: Named) -> T:
        """Make what `named` says; `ConfigError` names an unknown name, argument or type of one."""
        if named.name not in self:
            raise ConfigError(f"no {self.kind} is called {named.name!r}{nearest(named.name, self)}")
        maker = self[named.name]
        known = inspect.signature(maker).parameters
        for key in named.args:
            if key not in known:
                raise ConfigError(f"{self.kind} {named.name} takes no {key!r}{nearest(key, known)}")
        hints = get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)
        fields: Any = {key: (hints.get(key, Any), ...) for key in named.args}
        checked = validate(create_model("Arguments", **fields), named.args, source=f"{self.kind} {named.name}")
        return maker(**dict(checked))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known name, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5) or [word for word in known if name and name in word]
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known) or 'none'}"


# Own code beside ruamel.yaml: OmegaConf 2.4 reads `no` as false, takes `stages[0]lr=1` for `stages[0]=1` and `seed]=7`
# for a new key, gives variables as text and from `os.environ` alone; pydantic-settings cannot reach into a list.
LINE = 240  # characters of complaints: with the name of the file before them, what one reads at once
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")
PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[-?\d+\])*")


def parse(text: str) -> Any:
    """Read YAML 1.2 text (JSON included): `5e-4` is a number, `no` a word, and a key may stand only once.

    Raises
    ------
    ConfigError
        For what is not YAML, with its line.

    Examples
    --------
    >>> parse("{lr: 5e-4, amp: off}")
    {'lr': 0.0005, 'amp': 'off'}
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(line + " ".join(str(error.problem or error.context).split())) from error
    # a date of month 13, or brackets thousands deep, are no errors of the library's own
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(" ".join(str(error).split())) from error


def expand(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace `${NAME}` and `${NAME:-default}` in every text of a tree; the result is read as YAML again."""
    if isinstance(value, dict):
        return {key: expand(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, environment) for item in value]
    if not isinstance(value, str) or not VARIABLE.search(value):
        return value

    def look_up(match: re.Match[str]) -> str:
        name, default = match.groups()
        if name not in environment and default is None:
            raise ConfigError(f"${{{name}}} is not set in the environment; set it, or write ${{{name}:-default}}")
        return environment.get(name) or default or ""

    return parse(VARIABLE.sub(look_up, value))


def put(tree: Any, path: str, value: Any) -> None:
    """Set one value in a tree of dicts and lists by a path like ``stages[1].lr``."""
    if not PATH.fullmatch(path):
        raise ConfigError(f"--set {path}: wanted a path such as stages[1].lr")
    steps: list[str | int] = [int(index) if index else name for name, index in STEP.findall(path)]
    for depth, step in enumerate(steps):
        inside = isinstance(tree, list) and isinstance(step, int) and -len(tree) <= step < len(tree)
        if not inside and not (isinstance(tree, dict) and isinstance(step, str)):
            size = f"a list of {len(tree)}" if isinstance(tree, list) else type(tree).__name__
            raise ConfigError(f"--set {path}: [{step}] does not fit {size}")
        if depth == len(steps) - 1:
            tree[step] = value
        elif isinstance(step, str):
            if step not in tree and isinstance(steps[depth + 1], int):
                raise ConfigError(f"--set {path}: no list is called {step!r}{nearest(step, tree)}")
            tree = tree.setdefault(step, {})
        else:
            tree = tree[step]


def validate(cls: type[S], tree: Any, *, source: str = "config") -> S:
    """Check a tree against a section class; every complaint that fits a line comes in one `ConfigError`.

    Examples
    --------
    >>> class Signal(Section):
    ...     fs: float
    >>> validate(Signal, {"fz": 250})
    Traceback (most recent call last):
    biotl.errors.ConfigError: config: fs: Field required; fz: unknown key; did you mean 'fs'?
    """
    try:
        return cls.model_validate(tree)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
            if item["type"] == "extra_forbidden":
                lines.append(f"{place}: unknown key{nearest(str(item['loc'][-1]), _siblings(cls, item['loc'][:-1]))}")
            elif item["type"] == "missing":
                lines.append(f"{place}: {item['msg']}")
            else:
                said = item["msg"].removeprefix("Value error, ")  # pydantic's own words before ours
                lines.append(f"{place or 'value'}: {said}, got {reprlib.repr(item['input'])}")
        shown = [line for k, line in enumerate(lines) if sum(map(len, lines[: k + 1])) < LINE or k == 0]
        more = f"; and {len(lines) - len(shown)} more" if len(lines) > len(shown) else ""
        raise ConfigError(f"{source}: {'; '.join(shown)}{more}") from error


def _siblings(cls: Any, place: tuple[Any, ...]) -> list[str]:
    """Return the keys of the section at a place: the first section found on the way down the annotations."""
    for part in place:
        if isinstance(part, str) and part in getattr(cls, "model_fields", {}):
            cls = _section_in(cls.model_fields[part].annotation) or cls
    return list(cls.model_fields)


def _section_in(annotation: Any) -> Any:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in getattr(annotation, "__args__", ()) if (found := _section_in(arg))), None)


def load(
    path: str | Path, cls: type[S], *, overrides: Iterable[str] = (), environment: Mapping[str, str] | None = None
) -> S:
    """Read a configuration; see `read_tree`.

    Raises
    ------
    ConfigError
        Naming the file, the key, what it got and the nearest key that exists.
    """
    return validate(cls, read_tree(path, overrides, environment), source=str(path))


def read_tree(
    path: str | Path, overrides: Iterable[str] = (), environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Read the YAML file, then ``BIOTL__SEED=7``-like variables, then ``stages[1].lr=3e-4`` overrides.

    Parameters
    ----------
    path : str or Path
        A YAML file; ``${NAME:-default}`` in its values is replaced from the environment.
    overrides : iterable of str
        ``path=value`` texts; the value is read as YAML.
    environment : mapping, optional
        Instead of `os.environ`. ``BIOTL__STAGES__1__LR=3e-4`` sets ``stages[1].lr``.
    """
    environment = os.environ if environment is None else environment
    try:
        tree = expand(parse(Path(path).read_text(encoding="utf-8")), environment)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: got bytes that are no text ({error}), wanted YAML") from error
    except (ConfigError, RecursionError) as error:  # of an anchor that holds itself
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: got {type(tree).__name__}, wanted keys and values")
    for name, text in sorted(environment.items()):
        if name.startswith("BIOTL__"):
            steps = name.removeprefix("BIOTL__").lower().split("__")
            place = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps).removeprefix(".")
            put(tree, place, _value(name, text))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: wanted key=value, such as stages[1].lr=3e-4")
        put(tree, key, _value(f"--set {key}", text))
    return tree


def _value(source: str, text: str) -> Any:
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def difference(then: Any, now: Any, path: str) -> str:
    """Return the first place where two trees differ, and both values; nothing if they are equal.

    Examples
    --------
    >>> difference([{"lr": 0.1}], [{"lr": 0.2}], "stages")
    'stages[0].lr was 0.1 and is 0.2'
    """
    if isinstance(then, dict) and isinstance(now, dict) and then.keys() == now.keys():
        return next(filter(None, (difference(then[key], now[key], f"{path}.{key}") for key in then)), "")
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return next(filter(None, (difference(a, b, f"{path}[{index}]") for index, (a, b) in pairs)), "")
    return "" if then == now else f"{path} was {then} and is {now}"


def dump(section: Section) -> str:
    """Return a configuration with every default filled in, as YAML that `load` reads back to the same section."""
    return text_of(section.model_dump(mode="json"))


def text_of(tree: Any) -> str:
    """Return a tree of plain values as YAML that `parse` reads back to the same tree.

    Examples
    --------
    >>> print(text_of({"lr": 1e-05, "labels": ["no", "1e3"]}), end="")
    lr: 1e-05
    labels:
    - no
    - '1e3'
    """
    writer: Any = YAML(typ="safe", pure=True)  # whose own annotations are narrower than what it takes
    writer.default_flow_style, writer.sort_base_mapping_type_on_output, writer.width = False, False, 120
    text = io.StringIO()
    writer.dump(tree, text)
    return text.getvalue()

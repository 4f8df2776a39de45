"""Overrides of a run file: `--set a.b=c` and environment variables `ASSAY_A__B`.

A path names keys, and indices of lists; a value is read as YAML.

>>> tree = {"strategies": [{"name": "rsi2"}]}
>>> set_path(tree, ("strategies", "0", "ml", "prediction_mode"), "replace", "--set")
>>> tree
{'strategies': [{'name': 'rsi2', 'ml': {'prediction_mode': 'replace'}}]}
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import yaml

from streams.errors import ConfigError

ENV_PREFIX = "ASSAY_"
ENV_SEPARATOR = "__"
PATH_DEPTH_MAX = 16


def apply_overrides(
    tree: dict[str, Any],
    assignments: Iterable[str],
    environment: Mapping[str, str],
    top_keys: Collection[str],
) -> None:
    """Write the environment's values, then the `a.b=c` assignments, into `tree`.

    A variable counts when it has a double underscore or names one of `top_keys`. Raises
    ConfigError for an assignment without `=`, or a path that leads nowhere.
    """
    for variable in sorted(environment):
        path = _path_of_variable(variable, top_keys)
        if path:
            set_path(tree, path, parse_value(environment[variable], variable), variable)
    for text in assignments:
        path_text, separator, value_text = text.partition("=")
        if not separator or not path_text.strip():
            raise ConfigError(f"--set must look like a.b=c, was {text!r}")
        value = parse_value(value_text, f"--set {path_text}")
        set_path(tree, tuple(path_text.strip().split(".")), value, f"--set {path_text.strip()}")


def without_secrets(assignments: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the assignments that every user of the machine may see, and the others as variables.

    A URL with a password is no argument for a process: the environment is its owner's alone.

    >>> without_secrets(("a.b=1", "a.url=db://ann:secret@host"))
    (('a.b=1',), {'ASSAY_A__URL': 'db://ann:secret@host'})
    """
    shown, hidden = [], {}
    for text in assignments:
        path, _, value = text.partition("=")
        if "://" in value and "@" in value:
            name = path.strip().upper().replace(".", ENV_SEPARATOR)
            hidden[f"{ENV_PREFIX}{name}"] = value
        else:
            shown.append(text)
    return tuple(shown), hidden


def parse_value(text: str, origin: str) -> Any:
    """Return `text` as YAML: numbers, true, null, lists, or plain text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{origin}: the value must be YAML, was {text!r}: {cause_of(error)}"
        ) from None


def cause_of(error: yaml.YAMLError) -> str:
    """Return what is wrong, and where; not the text around it, where a password may stand."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"{error.problem}, line {mark.line + 1}, column {mark.column + 1}"


def set_path(tree: dict[str, Any], path: tuple[str, ...], value: Any, origin: str) -> None:
    """Write `value` at `path`, making the mappings on the way."""
    if len(path) > PATH_DEPTH_MAX:
        raise ConfigError(f"{origin}: a path has at most {PATH_DEPTH_MAX} keys, was {len(path)}")
    node: Any = tree
    for depth, key in enumerate(path):
        is_last = depth == len(path) - 1
        if isinstance(node, list):
            index = _index(key, node, origin)
            if is_last:
                node[index] = value
            node = node[index]
        elif isinstance(node, dict):
            if is_last:
                node[key] = value
            elif node.get(key) is None:
                node[key] = {}
            node = node[key]
        else:
            where = ".".join(path[:depth])
            raise ConfigError(f"{origin}: {where} is a value ({node!r}) and has no key {key!r}")


def _index(key: str, items: list[Any], origin: str) -> int:
    if key.isdigit() and int(key) < len(items):
        return int(key)
    raise ConfigError(
        f"{origin}: an index of a list of {len(items)} must be in 0..{len(items) - 1}, was {key!r}"
    )


def _path_of_variable(variable: str, top_keys: Collection[str]) -> tuple[str, ...]:
    if not variable.startswith(ENV_PREFIX):
        return ()
    name = variable[len(ENV_PREFIX) :].lower()
    if ENV_SEPARATOR in name or name in top_keys:
        return tuple(name.split(ENV_SEPARATOR))
    return ()

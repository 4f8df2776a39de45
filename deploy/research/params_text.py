"""Parameters as people write them on a command line: JSON, a Python dict, or a file.

>>> params_of('{"period": 2}')
{'period': 2}
>>> params_of("{'period': 2, 'shorts': True}")
{'period': 2, 'shorts': True}
"""

import ast
import json
from collections import Counter
from pathlib import Path
from typing import Any

from streams.errors import ConfigError

PARAMS_CHARS_MAX = 100_000
OPTION = "--params"


def params_of(text: str) -> dict[str, Any]:
    """Return the parameters in `text`, or in the JSON file that `@FILE` names.

    Nothing in it is run. Raises ConfigError that shows what it was.
    """
    origin = OPTION
    if text.startswith("@"):
        origin = f"{OPTION} {text}"
        text = _read(Path(text[1:]), origin)
    if len(text) > PARAMS_CHARS_MAX:
        raise ConfigError(
            f"{origin} must have at most {PARAMS_CHARS_MAX} characters, was {len(text)}"
        )
    found = _decoded(text, origin)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ConfigError(f"{origin} must be a mapping of names, was {text[:80]!r}")
    return found


def _decoded(text: str, origin: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_repeated([name for name, _ in pairs], origin)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        pass
    try:
        tree = ast.parse(text.strip(), mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                names = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                _refuse_repeated(names, origin)
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ConfigError(
            f"{origin} must be JSON or a Python dict, such as '{{\"period\": 2}}', was "
            f"{text[:80]!r}"
        ) from None


def _refuse_repeated(names: list[Any], origin: str) -> None:
    """Of two values for a name one would be dropped, and nobody told."""
    repeated = [str(name) for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ConfigError(f"{origin} must name each parameter once, twice was {repeated[0]!r:.80}")


def _read(path: Path, origin: str) -> str:
    try:
        if path.stat().st_size > PARAMS_CHARS_MAX:
            raise ConfigError(
                f"{origin}: a file of parameters has at most {PARAMS_CHARS_MAX} bytes"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{origin} cannot be read: {error}") from None

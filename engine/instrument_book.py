"""Every instrument there is: those of a file, and by rule what the file does not name.

The head of `configs/instruments.yaml` says which symbol is taken for what.
"""

import re
from typing import Any, get_args

import msgspec

from engine.instrument import AssetClass, Instrument, plain_name
from streams.errors import ConfigError
from streams.session import session
from streams.strict import decode_strict, nearest

YEN_TICK = 0.01
STABLE_COINS = ("USD", "USDT", "USDC")

_MONTH = re.compile(r"^(?P<root>[A-Z0-9]{1,4}?)[FGHJKMNQUVXZ](\d{1,2}|\d{4})$")
_MARKED = re.compile(r"^@?(?P<root>[A-Z0-9]{1,4}?)(=F|[12]!|_CONT)?$")


class ClassDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an instrument of a class has where nothing else is said: see `Instrument`."""

    tick_size: float = 0.01
    point_value: float = 1.0
    commission_per_side: float = 0.0
    bps_per_side: float = 0.0
    slippage_ticks: float = 0.0
    session: str = "us_equity"
    lot: float = 1.0
    margin: float = 1.0


class InstrumentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of an instrument file; `symbols` holds the keys of Instrument, and `class`.

    `session`, that of the bars, tells a future from a share of the same name: CL, SI.
    """

    classes: dict[AssetClass, ClassDefaults] = {}
    currencies: tuple[str, ...] = ()
    coins: tuple[str, ...] = ()
    symbols: dict[str, dict[str, Any]] = {}
    session: str = ""


class InstrumentBook:
    """Finds the instrument of a symbol. `origin` is named in errors: raises ConfigError."""

    def __init__(self, file: InstrumentFile, origin: str = "instruments") -> None:
        self._file = file
        self._named = {name: self._decoded(name, origin) for name in file.symbols}
        for one in self._named.values():
            session(one.session)
        for defaults in file.classes.values():
            session(defaults.session)

    def of(self, symbol: str, session_name: str = "") -> Instrument:
        """Return the instrument behind a symbol; every symbol has one.

        `session_name` is that of its bars, where it is not the file's.
        """
        session_name = session_name or self._file.session
        plain = plain_name(symbol)
        named = plain if plain in self._named else self._root_of(symbol.upper())
        if named is not None and session_name in ("", self._named[named].session):
            return msgspec.structs.replace(self._named[named], symbol=symbol)
        base, quote = plain[:3], plain[3:]
        if base in self._file.currencies and quote in self._file.currencies and base != quote:
            changes: dict[str, Any] = {"currency": quote}
            if quote == "JPY":
                changes["tick_size"] = YEN_TICK
            return msgspec.structs.replace(self._default(symbol, "fx"), **changes)
        for coin in self._file.coins:
            if plain.startswith(coin) and plain.removeprefix(coin) in STABLE_COINS:
                return self._default(symbol, "crypto")
        return self._default(symbol, "equity")

    def _root_of(self, symbol: str) -> str | None:
        """Return the future's root that a contract or a continuous series is named after."""
        for pattern in (_MARKED, _MONTH):
            found = pattern.match(symbol)
            if found and self._is_future(found["root"]) and found["root"] != symbol:
                return found["root"]
        return None

    def _is_future(self, name: str) -> bool:
        return name in self._named and self._named[name].asset_class == "future"

    def _default(self, symbol: str, asset_class: AssetClass) -> Instrument:
        defaults = self._file.classes.get(asset_class, ClassDefaults())
        fields = msgspec.structs.asdict(defaults)
        return Instrument(symbol=symbol, asset_class=asset_class, **fields)

    def _decoded(self, name: str, origin: str) -> Instrument:
        given = dict(self._file.symbols[name])
        kind = given.pop("class", "equity")
        if kind not in get_args(AssetClass):
            known = nearest(str(kind), get_args(AssetClass))
            raise ConfigError(f"class was {kind!r} ({origin}: symbols.{name}.class){known}")
        defaults = msgspec.structs.asdict(self._file.classes.get(kind, ClassDefaults()))
        tree = {**defaults, **given, "symbol": name, "asset_class": kind}
        return decode_strict(tree, Instrument, f"{origin}: symbols.{name}")

"""The wire contract: every event that crosses a bus, as a frozen, tagged Struct.

Times are int UTC nanoseconds. A bar's `ts` is its CLOSE, the instant it became known.
Evolution rules, held by a golden-bytes test per type: unknown fields are ignored; new fields
come last, with a default; a field is never re-typed; a field is never removed.

Columns of the columnar events (`Bars`, `Signals`) are little-endian arrays as bytes: binary in
MessagePack, base64 in JSON.
"""

from typing import Annotated, Any

import msgspec

TEXT_MAX = 256
REASONS_MAX = 32
SIGNAL_FEATURES_MAX = 512

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX)]


class Event(msgspec.Struct, frozen=True, tag_field="type"):
    """Root of every wire event."""


class Bar(Event, frozen=True, tag="bar", gc=False):
    """One bar of one symbol. Prices > 0 in quote currency, volume >= 0 in units."""

    symbol: Name
    interval: Name
    ts: Int64
    open: float
    high: float
    low: float
    close: float
    volume: float


class Bars(Event, frozen=True, tag="bars", gc=False):
    """Many bars in columns, time-ordered.

    One entry in `symbols`: one symbol's run. As many entries as rows: several symbols, the bars
    of one instant or of a stretch of time. `ts` is int64, the others float64, all little-endian.
    """

    symbols: tuple[Name, ...]
    interval: Name
    ts: bytes
    open: bytes
    high: bytes
    low: bytes
    close: bytes
    volume: bytes


class Reset(Event, frozen=True, tag="reset"):
    """The history of a symbol changed (split, correction): its state is re-warmed."""

    symbol: Name
    ts: Int64
    reason: Text


class Signal(Event, frozen=True, tag="signal"):
    """A raw signal: side 1 or -1, technical `score` in [0, 1], `stop` defines 1 R.

    `ts` is the close of the bar it was made on. `features` are numbers of the publisher's own,
    declared in the strategy's configuration.
    """

    signal_id: Name
    strategy: Name
    symbol: Name
    interval: Name
    ts: Int64
    side: Int64
    score: float
    price: float
    stop: float | None = None
    features: Annotated[dict[Text, float], msgspec.Meta(max_length=SIGNAL_FEATURES_MAX)] = {}


class Signals(Event, frozen=True, tag="signals"):
    """Many signals of one strategy in columns; a NaN stop is none.

    `ts` is int64, `side` int8, `score`, `price` and `stop` float64, little-endian.
    """

    strategy: Name
    interval: Name
    signal_ids: tuple[Name, ...]
    symbols: tuple[Name, ...]
    ts: bytes
    side: bytes
    score: bytes
    price: bytes
    stop: bytes


class Scored(Event, frozen=True, tag="scored"):
    """The one answer to a raw signal; `accepted` decides which subject carries it.

    `probability` is null when no model spoke. `inputs` is the served float32 little-endian
    vector, in the order that `features_digest` names.
    """

    signal_id: Name
    strategy: Text
    symbol: Text
    interval: Text
    ts: Int64
    side: Int64
    score: float
    price: float
    stop: float | None
    features: dict[str, float]
    probability: float | None
    final_score: float
    accepted: bool
    mode: str
    threshold: float
    weight: float
    model: str | None
    reasons: tuple[str, ...]
    inputs: bytes
    features_digest: str


class Trade(Event, frozen=True, tag="trade"):
    """A trade that an engine really closed (a second outcome, for reports)."""

    signal_id: Name
    entry_ts: Int64
    exit_ts: Int64
    entry_price: float
    exit_price: float
    quantity: float
    pnl_net: float
    final: bool


class Outcome(Event, frozen=True, tag="outcome"):
    """What became of a signal, let through or not, by the labelling rule.

    `entry_ts` and `exit_ts` are the closes of the bars in which the fills happened: the
    instants at which they were known. P&L is per unit, in quote currency. `canary`: the model
    spoke on a share of the signals, beside the one in force.
    """

    signal_id: Name
    strategy: Name
    symbol: Name
    interval: Name
    ts: Int64
    side: Int64
    accepted: bool
    entry_ts: Int64
    exit_ts: Int64
    entry_price: float
    exit_price: float
    y_return: float
    r_multiple: float
    y_pnl_gross: float
    y_pnl_net: float
    y_binary: Int64
    exit_reason: str
    virtual: bool
    probability: float | None
    model: str | None
    canary: bool = False


class Drift(Event, frozen=True, tag="drift"):
    """A detector's word on a strategy.

    level: warning, detected, recovered. channel: ranking, calibration, inputs, skew.
    `ts` is the event time at which it was said; `detail` says more in words, for a person.
    """

    strategy: Name
    symbol: str | None
    level: str
    channel: str
    detector: str
    statistic: float
    threshold: float
    outcomes_seen: Int64
    changepoint_ts: Int64
    false_alarm_budget: float
    model: str | None
    ts: Int64 = 0
    detail: Text = ""


class Retrain(Event, frozen=True, tag="retrain"):
    """A request for a new model, trained on what happened in [since_ts, ts].

    action: retrain, recalibrate (a new calibrator for the same model), review (judge what is in
    the shadow on what has come since). `model` is the one that was found wanting, where one was.
    """

    request_id: Name
    strategy: Name
    symbol: str | None
    reason: str
    since_ts: Int64
    requested_by: str
    ts: Int64 = 0
    action: Text = "retrain"
    model: Text = ""


class Deployment(Event, frozen=True, tag="deployment"):
    """A model comes into force (`models.deployed`) or the old one stays (`models.kept`).

    Applies to signals that come after it in INPUT and whose ts >= `effective_ts`. `digest` is
    the SHA-256 of the card. `verdict` holds the gate's figures. `share` below 1: a canary, which
    answers that share of the signals, chosen by their ids, beside the model in force; 0 ends it.
    `by` and `why` name a person's decision.
    """

    strategy: Name
    symbol: Name | None
    version: Text
    digest: Text
    effective_ts: Int64
    previous: Text | None
    verdict: dict[str, Any]
    request_id: Text | None = None
    share: float = 1.0
    by: Text = ""
    why: Text = ""


class Policy(Event, frozen=True, tag="policy"):
    """The kill switch. action: observe, pass_through, block, resume.

    `effective_ts` is the event time from which it is meant; 0 is at once.
    """

    strategy: Name
    action: str
    by: Text
    why: Text
    effective_ts: Int64 = 0


class Audit(Event, frozen=True, tag="audit"):
    """Something that a person did: who, what, to which model, why, and when.

    action: promote, rollback, pin, unpin, expire, policy, retrain. `ts` is the wall clock's, UTC
    nanoseconds; `detail` says more in words.
    """

    strategy: Name
    symbol: Name | None
    action: Text
    version: Text
    by: Text
    why: Text
    ts: Int64
    detail: Text = ""


class Expire(Event, frozen=True, tag="expire"):
    """A signal has waited long enough for its bar; recorded in INPUT, answered `no_bar`."""

    strategy: Name
    symbol: Name
    signal_id: Name


class Progress(Event, frozen=True, tag="progress"):
    """A role's watermark: everything it will ever say with ts <= `event_ts` is out.

    It travels in the stream the role writes to, behind the answers it vouches for. `seq` is
    the last sequence of the stream it reads, `shards` how many share the role: see Watermark.
    A role that reads INPUT beside another stream says with `input_seq` how far it is in that.
    """

    role: Name
    shard: Int64
    event_ts: Int64
    seq: Int64
    shards: Int64 = 1
    input_seq: Int64 = 0


WireEvent = (
    Bar
    | Bars
    | Reset
    | Signal
    | Signals
    | Scored
    | Trade
    | Outcome
    | Drift
    | Retrain
    | Deployment
    | Policy
    | Audit
    | Expire
    | Progress
)

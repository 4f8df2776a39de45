"""A strategy's figures in as few words as fit a line."""

from deploy.monitor.event_words import day
from deploy.monitor.picture import Scores, StrategyPicture
from deploy.operations.model_words import share_of_signals
from deploy.report import short_version

STYLES = {"detected": "bold red", "warning": "yellow"}
VERSIONS_SHOWN = 3
_DAY_S = 86_400


def style_of(level: str) -> str:
    """Return the colour of a level."""
    return STYLES.get(level, "")


def bar(share: float | None, cells: int, *, ascii_only: bool = False) -> str:
    """Return how much of the way to its alarm a statistic has gone.

    >>> bar(0.5, 4, ascii_only=True)
    '##--'
    """
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    done = 0 if share is None else round(min(max(share, 0.0), 1.0) * cells)
    return full * done + empty * (cells - done)


def share_words(share: float | None) -> str:
    """Write a share of the threshold in five cells.

    >>> share_words(0.0042), share_words(0.5), share_words(None)
    (' 0.4%', '  50%', '    -')
    """
    if share is None:
        return "    -"
    return f"{share:>5.1%}" if share < 0.0995 else f"{share:>5.0%}"


def model_words(one: StrategyPicture, *, is_long: bool = False) -> str:
    """Say which model is in force, and for how long in event time."""
    line = one.in_force
    name = short_version(one.strategy, one.model)
    if not name:
        return "no model in force" if is_long else "none"
    age = "" if line is None or line.age_s is None else f"{line.age_s / _DAY_S:,.0f} d"
    if not is_long:
        return f"{name} {age}".strip()
    pinned = ", pinned" if line is not None and line.pinned else ""
    since = "" if line is None or line.age_s is None else f" since {day(line.effective_ts)} ({age})"
    return f"{name} in force{since}{pinned}"


def coming_words(one: StrategyPicture) -> str:
    """Say which model has been deployed to speak later, and when; "" where none has."""
    found = (line for line in one.models if line.place == "coming" and line.symbol is None)
    return "; ".join(
        f"{short_version(one.strategy, line.version)} from {day(line.effective_ts)} on"
        for line in found
    )


def area_words(scores: Scores, *, is_long: bool = False) -> str:
    """Say how well the model ranks, with its 95 % interval; .5 is no skill."""
    area = scores.auc
    if area.value is None:
        return f"- ({area.reason})" if is_long else "-"
    interval = "" if area.low is None else f" {_short(area.low)}–{_short(area.high or 0.0)}"
    if not is_long:
        return f"{_short(area.value)}{interval}"
    why = f" ({area.reason})" if area.low is None else ""
    told = f" [{area.low:.3f}, {area.high:.3f}]" if area.low is not None else ""
    return f"{area.value:.3f}{told}{why} of {scores.outcomes:,} outcomes (0.5: no skill)"


def hit_words(scores: Scores) -> str:
    """Say the hit rate that was foretold and the one that came.

    The error is that of their difference.
    """
    if scores.expected is None or scores.observed.value is None:
        return "-"
    error = "" if scores.miss.error is None else f" ±{scores.miss.error:.0%}"
    return f"{scores.expected:.0%}→{scores.observed.value:.0%}{error}"


def calibration_words(scores: Scores) -> list[str]:
    """Say whether the probabilities mean what they say, a thing a line."""
    if scores.expected is None or scores.observed.value is None:
        return ["hit rate -"]
    miss = scores.miss
    text = f"hit rate {scores.observed.value:.1%}, expected {scores.expected:.1%}"
    if miss.value is not None and miss.error is not None:
        text += f": {miss.value:+.1%} ± {miss.error:.1%}"
    if scores.ece is None or scores.ece_perfect is None or scores.ece_perfect_95 is None:
        return [text]
    perfect = f"a perfect model's {scores.ece_perfect:.3f}, 1 in 20 above"
    return [text, f"calibration error {scores.ece:.3f}; {perfect} {scores.ece_perfect_95:.3f}"]


def note_words(one: StrategyPicture, *, is_long: bool = False) -> str:
    """Say what else there is to know."""
    said = []
    if not is_long:
        said.append(_placed(one, "refused"))
    if not is_long:
        said += [one.policy, coming_words(one)]
    said += [_placed(one, place) for place in ("canary", "shadow") if is_long or place == "canary"]
    if one.requests_waiting:
        many = "s" if one.requests_waiting > 1 else ""
        said.append(f"{one.requests_waiting} request{many} waiting")
    if one.changepoint_ts > 0 and is_long:
        learned = f"{one.outcomes_since_change:,} outcomes to learn from"
        said.append(f"changed on {day(one.changepoint_ts)}, {learned}")
    if one.last_alarm_ts is not None:
        alarm = f"{one.outcomes_since_alarm:,} outcomes since the alarm"
        said.append(f"{alarm} of {day(one.last_alarm_ts)}" if is_long else alarm)
    elif is_long:
        said.append(f"no alarm in {one.outcomes_since_alarm:,} outcomes")
    return "; ".join(filter(None, said))


def refused_words(one: StrategyPicture) -> list[str]:
    """Say of each model that the scorers refused why they did."""
    return [
        f"{short_version(one.strategy, line.version)} refused by the scorers: {line.refused}"
        for line in one.models
        if line.place == "refused"
    ]


def _placed(one: StrategyPicture, place: str) -> str:
    """Say which models stand beside the one in force."""
    found = [line for line in one.models if line.place == place]
    names = [
        f"{short_version(one.strategy, line.version)}"
        + (f" {share_of_signals(line.share)}" if place == "canary" else "")
        for line in found[:VERSIONS_SHOWN]
    ]
    more = f" and {len(found) - VERSIONS_SHOWN} more" if len(found) > VERSIONS_SHOWN else ""
    return f"{place} {', '.join(names)}{more}" if found else ""


def _short(value: float) -> str:
    """Write a share without its zero.

    >>> _short(0.583), _short(1.0)
    ('.58', '1.0')
    """
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0"

"""The picture of a run in a terminal: what needs a look stands first, and it fits the window."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.monitor.event_words import clock, day, number
from deploy.monitor.picture import DetectorLine, EventLine, Picture, StrategyPicture
from deploy.monitor.strategy_words import (
    area_words,
    bar,
    calibration_words,
    coming_words,
    hit_words,
    model_words,
    note_words,
    refused_words,
    share_words,
    style_of,
)
from deploy.role_runtime import process_name
from deploy.survey import RoleLine
from deploy.tables import plain_table
from deploy.terminal_text import printable

DETAILED_MAX = 3
EVENTS_SHOWN = 8
EVENTS_SHOWN_MIN = 2
ROWS_MIN = 3
NARROW = 110
BAR_ROW, BAR_NARROW, BAR_WIDE = 6, 10, 20
NAME_NARROW, NAME_WIDE = 18, 32
ROLES_SHOWN = 8
EVENT_STYLES = {"drift": "yellow", "deployed": "green"}
_FRAME_LINES = 6


def picture_view(
    picture: Picture, *, width: int, height: int | None = None, ascii_only: bool = False
) -> RenderableType:
    """Return the picture, ready to print; with a `height`, no taller than a window of it."""
    picture = _made_plain(picture)
    ordered = sorted(picture.strategies, key=_urgency)
    roles = _roles(picture.roles)
    parts: list[RenderableType] = [_head(picture), *roles, Text("")]
    left = None if height is None else height - _FRAME_LINES - len(roles)
    cells = BAR_NARROW if width < NARROW else BAR_WIDE
    blocks = [_block(one, cells, ascii_only=ascii_only) for one in ordered[:DETAILED_MAX]]
    lines = sum(map(len, blocks)) + len(blocks)
    if not ordered:
        parts.append(Text("no strategy has a model, an outcome or an event yet", "dim"))
        lines = 1
    elif len(ordered) <= DETAILED_MAX and (left is None or lines + EVENTS_SHOWN_MIN <= left):
        parts += [line for block in blocks for line in (*block, Text(""))]
    else:
        count = len(ordered)
        if left is not None:
            count = min(count, max(ROWS_MIN, left - EVENTS_SHOWN_MIN - 3))
        parts.append(_rows(ordered[:count], width, ascii_only=ascii_only))
        lines = count + 2
        if count < len(ordered):
            more = f"… {len(ordered) - count} more, all quieter; --strategy NAME shows one"
            parts.append(Text(more, "dim"))
            lines += 1
        parts.append(Text(""))
    shown = EVENTS_SHOWN if left is None else max(0, min(EVENTS_SHOWN, left - lines))
    parts += _events(picture.events[-shown:] if shown else (), width)
    return Group(*parts)


def _made_plain(picture: Picture) -> Picture:
    """Return the picture without what a terminal would obey: most of its words are others'."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return printable(value)
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    return msgspec.convert(plain(msgspec.to_builtins(picture)), Picture)


def _urgency(one: StrategyPicture) -> tuple[int, float, str]:
    levels = {"detected": 0, "warning": 1}
    nearest = max((line.share or 0.0 for line in one.detectors), default=0.0)
    if any(line.place == "refused" for line in one.models):
        return 0, -nearest, one.strategy
    return levels.get(one.level, 2), -nearest, one.strategy


def _head(picture: Picture) -> Text:
    head = _one_line(f"event time {day(picture.event_ts)}", "bold")
    head.append(f"   {picture.url}   drift from {picture.drift_from}", "not bold dim")
    return head


def _roles(roles: Sequence[RoleLine]) -> list[RenderableType]:
    """Return a line for each role, those that are behind first where not all can be told."""
    if not roles:
        return [Text("no role has made progress yet", "dim")]
    shown = sorted(roles, key=lambda one: (-one.lag_messages, -one.lag_s))[:ROLES_SHOWN]
    lines: list[RenderableType] = []
    for role in [one for one in roles if one in shown]:
        name = process_name(role.role, role.shard, role.shards)
        behind = str(timedelta(seconds=round(role.lag_s))).removesuffix(", 0:00:00")
        line = _one_line(f"{name:<11} at {role.event_time[:10] or '-':<10} behind by ")
        line.append(f"{role.lag_messages:,} messages", "yellow" if role.lag_messages else "")
        line.append(f", {behind if role.lag_s else 'no'} event time")
        lines.append(line)
    if len(shown) < len(roles):
        lines.append(Text(f"… {len(roles) - len(shown)} more, less behind", "dim"))
    return lines


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _block(one: StrategyPicture, cells: int, *, ascii_only: bool) -> list[RenderableType]:
    """Return a strategy with everything that is known of it."""
    title = _one_line(one.strategy, "bold")
    title.append(f"   {model_words(one, is_long=True)}", "not bold")
    lines: list[RenderableType] = [title]
    if coming := coming_words(one):
        lines.append(_one_line(f"  next {coming}"))
    lines += [_one_line(f"  {words}", "bold red") for words in refused_words(one)]
    if one.policy:
        why = f": {one.policy_why}" if one.policy_why else ""
        lines.append(_one_line(f"  policy {one.policy}{why}", "bold yellow"))
    lines += [
        _one_line(f"  AUC {area_words(one.scores, is_long=True)}"),
        *(_one_line(f"  {words}") for words in calibration_words(one.scores)),
    ]
    lines += [_detector(line, 2 * cells, ascii_only=ascii_only) for line in one.detectors]
    if not one.detectors:
        lines.append(Text("  drift: no model is watched yet", "dim"))
    lines.append(_one_line(f"  {note_words(one, is_long=True)}", "dim"))
    return lines


def _detector(line: DetectorLine, cells: int, *, ascii_only: bool) -> Text:
    text = _one_line(f"  {line.channel:<11} {line.detector:<14} ")
    text.append(bar(line.share, cells, ascii_only=ascii_only), style_of(line.level))
    text.append(f" {share_words(line.share)}")
    if line.level:
        text.append(f"  {line.level}", style_of(line.level))
    text.append(f"  {number(line.statistic)} of {number(line.threshold)}")
    return text


def _rows(ordered: Sequence[StrategyPicture], width: int, *, ascii_only: bool) -> Table:
    """Return a line for each strategy; a narrow window has no room for the hit rate."""
    is_narrow = width < NARROW
    cells = BAR_ROW if is_narrow else BAR_NARROW
    longest = max(len(one.strategy) for one in ordered)
    table = plain_table()
    table.width = width
    names = min(NAME_NARROW if is_narrow else NAME_WIDE, longest)
    hit_rate = () if is_narrow else (("hit rate: told→came", 19),)
    for name, cells_wide in (
        ("strategy", names),
        ("model, age", 18),
        ("AUC (95 %)", 11),
        *hit_rate,
        ("drift", cells + 6),
    ):
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=cells_wide)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in ordered:
        drift = Text("")
        if one.detectors:
            share = one.detectors[0].share
            drift = Text(bar(share, cells, ascii_only=ascii_only), style_of(one.level))
            drift.append(f" {share_words(share)}")
        table.add_row(
            Text(one.strategy),
            # As text: a name between brackets would be taken for markup.
            Text(model_words(one)),
            Text(area_words(one.scores)),
            *(() if is_narrow else (Text(hit_words(one.scores)),)),
            drift,
            Text("; ".join(filter(None, (one.level, note_words(one)))), style_of(one.level)),
        )
    return table


def _events(events: Sequence[EventLine], width: int) -> list[RenderableType]:
    table = plain_table()
    table.show_header = False
    table.box = None
    table.add_column("when", no_wrap=True)
    names = NAME_NARROW if width < NARROW else NAME_WIDE
    table.add_column("strategy", no_wrap=True, style="dim", max_width=names, overflow="ellipsis")
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    table.width = width
    for one in events:
        when = day(one.ts) if one.ts else clock(one.wall_ts)
        table.add_row(when, Text(one.strategy), Text(one.text, EVENT_STYLES.get(one.kind, "")))
    return [table] if events else [Text("nothing has happened yet", "dim")]

"""What a strategy asks of its trainers, and when: one request at a time, and not too often.

retrain      at an alarm of the ranking channel on the model in force, if nothing was asked for
             within `cooldown_outcomes`. What another detector says of that model meanwhile asks
             for nothing more; an alarm on a newer model is not lost, its request waits.
             And again, as `refresh:`, whenever the outcomes of signals since the changepoint,
             whichever model spoke on them, are `refresh_growth` times as many as at the last
             request, until there are `settled_outcomes`. Meanwhile another alarm on the same
             model asks for nothing more.
recalibrate  at an alarm of the calibration channel, with a cooldown of its own, while the model
             still ranks and no retrain was asked for within the cooldown.
no_model     a retrain, when no model has spoken on `first_outcomes` outcomes in a row, and again
             whenever they are FIRST_GROWTH times as many. While a change is learned anew,
             `refresh:` asks instead.
review       every `review_outcomes` since a model first spoke or was first asked for; one that
             falls on another request is made an outcome later.
"""

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from engine.saved import Saved
from engine.settings import DriftSettings

SIGNAL_TIMES_MAX = 20_000
RETRAIN = "retrain"
RECALIBRATE = "recalibrate"
REVIEW = "review"
NO_MODEL = "no_model"
FIRST_GROWTH = 1.5


class Alarm(NamedTuple):
    """A detector's alarm on the model in force, with the estimated changepoint."""

    model: str
    detector: str
    changepoint_ts: int


class Wanted(NamedTuple):
    """What is asked for: the fields of a request."""

    action: str
    reason: str
    since_ts: int
    model: str


class Relearning:
    """The requests of one strategy, in outcomes of that strategy.

    Memory is bounded: the times of the last SIGNAL_TIMES_MAX signals, or as many as settle it.
    """

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        kept = min(settings.settled_outcomes + 1, SIGNAL_TIMES_MAX)
        self._signal_times: deque[int] = deque(maxlen=kept)
        self._outcomes = 0
        # What is learned anew: the alarm, and how many outcomes there are since its changepoint.
        self._drift: Alarm | None = None
        self._since = 0
        self._since_asked = 0
        self._waiting: Alarm | None = None
        self._retrained_at: int | None = None
        self._retrained_for = ""
        self._recalibrated_at: int | None = None
        # Reviewed, or the first outcome that a model spoke on or was asked for; None before that.
        self._reviewed_at: int | None = None
        # Outcomes in a row that no model spoke on: now, and when a model was last asked for.
        self._silent = 0
        self._silent_asked = 0

    @property
    def outcomes_since_change(self) -> int:
        """How many outcomes there are to learn from since the changepoint; 0 without a drift."""
        return self._since if self._drift else 0

    @property
    def changepoint_ts(self) -> int:
        """The signal time from which on is learned anew; 0 without a drift."""
        return self._drift.changepoint_ts if self._drift else 0

    def count(self, ts: int, *, has_model: bool) -> None:
        """Take the next outcome, of a signal of `ts`; `has_model` where a model spoke on it."""
        self._outcomes += 1
        self._silent = 0 if has_model else self._silent + 1
        if has_model:
            self._silent_asked = 0
            if self._reviewed_at is None:
                self._reviewed_at = self._outcomes
        self._signal_times.append(ts)
        if self._drift is not None and ts >= self._drift.changepoint_ts:
            self._since += 1
            if self._since > self._settings.settled_outcomes:
                self._drift = None

    def replaced(self, model: str) -> None:
        """Forget what waits for `model`: it is no longer in force."""
        if self._waiting is not None and self._waiting.model == model:
            self._waiting = None

    def recovered(self, model: str) -> None:
        """Learn no more from a change after which `model` ranks again; ask for nothing over it."""
        self.replaced(model)
        if self._drift is not None and self._drift.model == model:
            self._drift = None

    def ask(
        self, ranking: Alarm | None, calibration: Alarm | None, *, still_ranks: bool
    ) -> Wanted | None:
        """Return what to ask for behind the outcome counted last, if anything.

        The alarms are on the model in force; `still_ranks` says that none of the ranking channel
        stands.
        """
        if ranking is not None:
            self._note(ranking)
        wanted = self._retrain() or self._recalibrate(calibration, still_ranks=still_ranks)
        return wanted or self._refresh() or self._first() or self._review()

    def _note(self, alarm: Alarm) -> None:
        # While it is learned anew, growth asks: another alarm on the same model tells nothing new.
        is_asked_for = self._drift is not None and self._settings.refresh_growth > 0.0
        if alarm.model != self._retrained_for or (
            not is_asked_for and self._has_passed(self._retrained_at)
        ):
            self._waiting = alarm
        self._drift = alarm
        self._since = sum(ts >= alarm.changepoint_ts for ts in self._signal_times)
        if self._retrained_at is not None:
            # A later changepoint leaves fewer that could have been learned from at that request.
            known = self._since - (self._outcomes - self._retrained_at)
            self._since_asked = min(self._since_asked, max(known, 1))

    def _retrain(self) -> Wanted | None:
        alarm = self._waiting
        if alarm is None or not self._has_passed(self._retrained_at):
            return None
        self._waiting = None
        self._retrained_for = alarm.model
        return self._asked("drift", alarm)

    def _refresh(self) -> Wanted | None:
        drift, growth = self._drift, self._settings.refresh_growth
        if drift is None or not growth or not self._has_passed(self._retrained_at):
            return None
        if self._since < self._since_asked * growth:
            return None
        return self._asked("refresh", drift)

    def _first(self) -> Wanted | None:
        least, growth = self._settings.first_outcomes, self._settings.refresh_growth
        if not least or (self._drift is not None and growth):
            return None
        if self._silent < max(least, FIRST_GROWTH * self._silent_asked):
            return None
        if not self._has_passed(self._retrained_at):
            return None
        self._retrained_at = self._outcomes
        self._silent_asked = self._silent
        if self._reviewed_at is None:
            self._reviewed_at = self._outcomes
        return Wanted(RETRAIN, NO_MODEL, 0, "")

    def _asked(self, why: str, alarm: Alarm) -> Wanted:
        self._retrained_at = self._outcomes
        self._since_asked = max(self._since, 1)
        reason = f"{why}:{alarm.detector}"
        return Wanted(RETRAIN, reason, alarm.changepoint_ts, alarm.model)

    def _recalibrate(self, alarm: Alarm | None, *, still_ranks: bool) -> Wanted | None:
        if alarm is None or not still_ranks:
            return None
        if not self._has_passed(self._retrained_at) or not self._has_passed(self._recalibrated_at):
            return None
        self._recalibrated_at = self._outcomes
        reason = f"calibration:{alarm.detector}"
        return Wanted(RECALIBRATE, reason, alarm.changepoint_ts, alarm.model)

    def _review(self) -> Wanted | None:
        every, last = self._settings.review_outcomes, self._reviewed_at
        if not every or last is None or self._outcomes - last < every:
            return None
        # A review that had to wait does not put the next one off.
        self._reviewed_at = last + every
        return Wanted(REVIEW, REVIEW, 0, "")

    def _has_passed(self, asked_at: int | None) -> bool:
        if asked_at is None:
            return True
        return self._outcomes - asked_at >= self._settings.cooldown_outcomes

    def save(self) -> Saved:
        """Return all that is known."""
        facts: dict[str, Any] = {
            "outcomes": self._outcomes,
            "drift": self._drift and list(self._drift),
            "since": [self._since, self._since_asked],
            "waiting": self._waiting and list(self._waiting),
            "retrained": [self._retrained_at, self._retrained_for],
            "recalibrated_at": self._recalibrated_at,
            "reviewed_at": self._reviewed_at,
            "silent": [self._silent, self._silent_asked],
        }
        return Saved(facts, {"times": np.array(self._signal_times, dtype=np.int64)})

    def load(self, saved: Saved) -> None:
        """Go on from there."""
        facts = saved.facts
        self._outcomes = facts["outcomes"]
        self._drift = Alarm(*facts["drift"]) if facts["drift"] else None
        self._since, self._since_asked = facts["since"]
        self._waiting = Alarm(*facts["waiting"]) if facts["waiting"] else None
        self._retrained_at, self._retrained_for = facts["retrained"]
        self._recalibrated_at = facts["recalibrated_at"]
        self._reviewed_at = facts["reviewed_at"]
        self._silent, self._silent_asked = facts["silent"]
        self._signal_times.clear()
        self._signal_times.extend(saved.arrays["times"].tolist())

"""A rerun of the recorded INPUT through fresh roles, which say again what they said.

The roles are the live ones, driven by hand: nothing of theirs reads, publishes or lets signals
expire. INPUT alone goes in: the scorer's answers, not the recorded ones, go on to the labeller,
merged with its bars by the labeller's own rule.
"""

from collections import deque

from engine.answer import Answer
from engine.replays.verification import Said
from engine.roles.labeller import ANSWERS_FEED, BARS_FEED, LabellerRole
from engine.roles.scorer import ScorerRole
from engine.scorer import Scorer
from engine.shells.shell import Shell
from streams import subjects, topology
from streams.bus import Message
from streams.errors import WireError
from streams.events import Bar, Bars, Deployment, Event, Outcome, Progress, Scored, Signal, Signals
from streams.intake import event_of

_EVENTS_OF_STREAM: dict[str, tuple[type[Event], ...]] = {
    topology.INPUT: (Signal, Signals),
    topology.SCORED: (Scored,),
    topology.OUTCOMES: (Outcome,),
}


class Rerun:
    """Steps the strategies, one scorer of all symbols, and the labeller; None leaves one out.

    One scorer says what any number of shards said, under the same ids.
    `refused_models` tells, by sequence of INPUT, of deployments whose model did not verify.
    """

    def __init__(
        self,
        strategies: Shell | None,
        scorer: ScorerRole | None,
        labeller: LabellerRole | None,
    ) -> None:
        self.refused_models: dict[int, str] = {}
        self._strategies = strategies
        self._scorer = scorer
        self._labeller = labeller if scorer is not None else None
        self._feeds: tuple[deque[tuple[Message, Event | WireError]], ...] = (deque(), deque())
        self._progress_ts = 0
        self._newest_ts = 0

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams into which the roles that are rerun write their answers."""
        roles = (
            (topology.INPUT, self._strategies is not None),
            (topology.SCORED, self._scorer is not None),
            (topology.OUTCOMES, self._labeller is not None),
        )
        return tuple(stream for stream, is_there in roles if is_there)

    def vector_names(self, strategy: str) -> tuple[str, ...]:
        """Return the names of the vector served for `strategy`, () where none is."""
        core = self._scorer.core if self._scorer is not None else None
        if not isinstance(core, Scorer) or strategy not in core.strategy_names:
            return ()
        return core.vector_names(strategy)

    async def take(self, message: Message) -> list[Said]:
        """Take the next message of INPUT and return what every role says to it, in causal order."""
        event = event_of(message)
        self._newest_ts = max(self._newest_ts, _newest_ts(event))
        said: list[Said] = []
        if self._strategies is not None:
            said += self._said(
                topology.INPUT, message, await self._strategies.answers(message, event)
            )
        if self._scorer is not None:
            answers = await self._scorer.answers(message, event)
            said += self._said(topology.SCORED, message, answers)
            self._pass_on(self._scorer, message, [answer for _, answer in answers])
            for _, answer in answers:
                if answer.error and isinstance(event, Deployment):
                    self.refused_models[message.seq] = answer.error
        if self._labeller is not None:
            self._feeds[BARS_FEED].append((message, event))
            said += await self._label(self._labeller, message)
        return said

    def _said(self, stream: str, message: Message, answers: list[tuple[str, Answer]]) -> list[Said]:
        """Dead letters count as answers, so that the others keep their numbers, and go."""
        return [
            Said(stream, name, answer.subject, answer.event, message.seq, self._newest_ts)
            for name, answer in answers
            if isinstance(answer.event, _EVENTS_OF_STREAM[stream])
        ]

    def _pass_on(self, scorer: ScorerRole, message: Message, answers: list[Answer]) -> None:
        """Give the labeller what the scorer says, and how far it is."""
        answers_feed = self._feeds[ANSWERS_FEED]
        for answer in answers:
            if isinstance(answer.event, Scored):
                answers_feed.append((Message(answer.subject, b"", message.seq), answer.event))
        ts = scorer.core.progress_ts
        if ts > self._progress_ts:
            self._progress_ts = ts
            subject = subjects.progress("scorer", 0)
            progress = Progress("scorer", 0, ts, message.seq)
            answers_feed.append((Message(subject, b"", message.seq), progress))

    async def _label(self, labeller: LabellerRole, message: Message) -> list[Said]:
        said: list[Said] = []
        has_moved = True
        while has_moved:
            has_moved = False
            for number, feed in enumerate(self._feeds):
                while feed and not labeller.is_held(number, feed[0][1]):
                    has_moved = True
                    answers = await labeller.answers(*feed.popleft())
                    said += self._said(topology.OUTCOMES, message, answers)
            if not has_moved and self._feeds[ANSWERS_FEED]:
                # Every feed waits for another: the last, which drives the role, goes on by one.
                has_moved = True
                answers = await labeller.answers(*self._feeds[ANSWERS_FEED].popleft())
                said += self._said(topology.OUTCOMES, message, answers)
        return said


def _newest_ts(event: Event | WireError) -> int:
    """The close of the newest bar of an event, 0 where it holds none."""
    if isinstance(event, Bar):
        return event.ts
    if isinstance(event, Bars):
        end = len(event.ts) - len(event.ts) % 8
        return int.from_bytes(event.ts[max(0, end - 8) : end], "little", signed=True)
    return 0

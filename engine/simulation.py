"""The offline twin of the stream: the same cores, in one process, without a bus.

What the roles say to each other over subjects, they say to each other here in causal order, so
that a backtest and a replay give the same signals, answers and outcomes, bit for bit.
"""

from collections.abc import Iterable, Iterator, Sequence

from engine.answer import Answer
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.labeller import Labeller
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.strategist import Strategist
from models.feature_set import FeatureSet
from models.onnx_session import Model
from streams.events import Bar, Deployment, Event, Outcome, Scored, Signal, Signals
from streams.session import Session


class Simulation:
    """Strategist, scorer and labeller, joined.

    `deployments` come into force by their `effective_ts`; give them in that order. `context` says
    what features may know of other symbols.
    """

    def __init__(
        self,
        strategies: tuple[StrategySettings, ...],
        features: FeatureSet,
        session: Session,
        deployments: Sequence[tuple[Deployment, Model | None]] = (),
        context: ContextSettings = NO_CONTEXT,
    ) -> None:
        self.strategist = Strategist(strategies)
        self.scorer = Scorer(strategies, features, session, context=context)
        self.labeller = Labeller(strategies)
        for deployment, model in deployments:
            self.scorer.deploy(deployment, model)

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT; return every answer of every role, in causal order."""
        said: list[Answer] = []
        for answer in self.scorer.step(event):
            self._pass_on(answer, said)
        said += self.labeller.step(event)
        for raw in self.strategist.step(event):
            said.append(raw)
            if isinstance(raw.event, Signal | Signals):
                for answer in self.scorer.step(raw.event):
                    self._pass_on(answer, said)
        return said

    def _pass_on(self, answer: Answer, said: list[Answer]) -> None:
        said.append(answer)
        if isinstance(answer.event, Scored):
            said += self.labeller.step(answer.event)


def simulate(
    instants: Iterable[Sequence[Bar | Signal]],
    strategies: tuple[StrategySettings, ...],
    features: FeatureSet,
    session: Session,
    deployments: Sequence[tuple[Deployment, Model | None]] = (),
    context: ContextSettings = NO_CONTEXT,
) -> Iterator[Signal | Scored | Outcome]:
    """Run history through the cores; yield signals, answers and outcomes as they are said."""
    simulation = Simulation(strategies, features, session, deployments, context)
    for instant in instants:
        for event in instant:
            for answer in simulation.step(event):
                if isinstance(answer.event, Signal | Scored | Outcome):
                    yield answer.event

"""Which streams, buckets and stores there are, and which subjects they hold.

A role's watermarks travel in the stream the role writes to, so that they stand behind the
answers they vouch for.
"""

from dataclasses import dataclass

from streams import subjects

INPUT = "INPUT"
SCORED = "SCORED"
OUTCOMES = "OUTCOMES"
DRIFT = "DRIFT"
RETRAIN = "RETRAIN"
AUDIT = "AUDIT"
DLQ = "DLQ"

BUCKET_MODELS = "models"
BUCKET_LEDGER = "retrain_ledger"
BUCKET_LEASES = "leases"
STORE_MODELS = "models"

DEDUP_WINDOW_S = 120
QUEUED_PER_STRATEGY_MAX = 64
"""How many retrain requests of one strategy wait; beyond that the oldest is dropped."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream: its subjects, whether it is a work queue, and what it republishes.

    `per_subject_max` messages of a subject are kept, the newest; 0 is all.
    """

    name: str
    subjects: tuple[str, ...]
    work_queue: bool = False
    republish: tuple[str, str] | None = None
    per_subject_max: int = 0


STREAMS = (
    StreamSpec(
        INPUT,
        (
            subjects.BARS,
            subjects.RAW,
            subjects.EXPIRE,
            subjects.TRADES,
            subjects.DEPLOYED,
            subjects.POLICY,
            "progress.strategies.>",
        ),
    ),
    StreamSpec(
        SCORED,
        ("signals.scored.*.*", subjects.REJECTED, "progress.scorer.>"),
        republish=("signals.scored.*.*", subjects.SCORED_PLAIN),
    ),
    StreamSpec(OUTCOMES, (subjects.OUTCOMES, "progress.labeller.>")),
    StreamSpec(DRIFT, (subjects.DRIFT, subjects.KEPT, "progress.drift.>", "progress.trainer.>")),
    StreamSpec(
        RETRAIN, (subjects.RETRAIN,), work_queue=True, per_subject_max=QUEUED_PER_STRATEGY_MAX
    ),
    StreamSpec(AUDIT, (subjects.AUDIT,)),
    StreamSpec(DLQ, (subjects.DLQ,)),
)

BUCKETS = (BUCKET_MODELS, BUCKET_LEDGER, BUCKET_LEASES)
STORES = (STORE_MODELS,)

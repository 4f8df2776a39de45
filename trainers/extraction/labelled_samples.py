"""Training data as samples of the feature database, equal to those of the stream."""

from engine.backtests.history_scorer import Scores
from engine.signal_maker import signal_id_of
from models.vector import digest_of
from trainers.database.provenance import Provenance
from trainers.extraction.extraction import Extraction
from trainers.sample import UNTOLD, VIRTUAL, Sample, is_sound


def labelled_samples(
    found: Extraction, provenance: Provenance = UNTOLD, scores: Scores | None = None
) -> list[Sample]:
    """Return the k trades of an extraction that can be learned from.

    `scores`: what a model said of them, in their order; without it none spoke.
    """
    log, figures, history = found.log, found.figures, found.market.history
    name = found.settings.name
    digest = digest_of(found.vector_names)
    vectors = found.vectors.astype("<f4", copy=False)
    rows = zip(
        history.ts[log.signal_row].tolist(),
        history.ts[log.entry_row].tolist(),
        history.ts[log.exit_row].tolist(),
        *(column.tolist() for column in (log.slot, log.side, log.score)),
        *(column.tolist() for column in (figures.y_binary, figures.y_return)),
        *(column.tolist() for column in (figures.r_multiple, figures.y_pnl_net)),
        strict=True,
    )
    samples = []
    for place, row in enumerate(rows):
        ts, entry_ts, exit_ts, slot, side, score, y_binary, y_return, r_multiple, pnl_net = row
        symbol = history.symbols[slot]
        model = None if scores is None else scores.model[place]
        probability = None if scores is None else float(scores.probability[place])
        sample = Sample(
            strategy=name,
            signal_id=signal_id_of(name, symbol, ts),
            source=VIRTUAL,
            symbol=symbol,
            ts=ts,
            entry_ts=entry_ts,
            exit_ts=exit_ts,
            side=side,
            score=score,
            y_binary=y_binary,
            y_return=y_return,
            r_multiple=r_multiple,
            pnl_net=pnl_net,
            vector=vectors[place].tobytes(),
            features_digest=digest,
            probability=None if model is None else probability,
            model=model,
            params_digest=provenance.params.get(name, ""),
            data_digest=provenance.data_digest,
            code_version=provenance.code_version,
        )
        if is_sound(sample):
            samples.append(sample)
    return samples

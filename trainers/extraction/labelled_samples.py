"""Training data as samples of the feature database, equal to those of the stream."""

from engine.backtests.history_scorer import HistoryScorer, Scores
from engine.signal_maker import signal_id_of
from models.feature_set import load_feature_set
from models.onnx_session import Model
from models.vector import digest_of
from trainers.database.provenance import Provenance
from trainers.extraction.extraction import Extraction
from trainers.sample import UNTOLD, VIRTUAL, Sample, is_sound


def labelled_samples(
    found: Extraction, provenance: Provenance = UNTOLD, model: Model | None = None
) -> list[Sample]:
    """Return the k trades of an extraction that can be learned from.

    `model` speaks of them from the first on, as that of `ml.model_path`; without it none does.
    """
    scores = _scores(found, model)
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
        version = None if scores is None else scores.model[place]
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
            probability=None if version is None else probability,
            model=version,
            params_digest=provenance.params.get(name, ""),
            data_digest=provenance.data_digest,
            code_version=provenance.code_version,
        )
        if is_sound(sample):
            samples.append(sample)
    return samples


def _scores(found: Extraction, model: Model | None) -> Scores | None:
    if model is None:
        return None
    market = found.market
    scorer = HistoryScorer(found.settings, market.history, load_feature_set(), market.contexts)
    scorer.start_with(model)
    return scorer.score(found.log)

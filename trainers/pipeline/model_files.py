"""The files of one model: graph, card and signature where the gate let it pass; the account always.

    <folder>/<symbol>_<strategy>/
        <symbol>_<strategy>_ml_meta_labeling_final_model.onnx, .card.json, .sig
        <symbol>_<strategy>_executive_summary.txt
        <symbol>_<strategy>_report.html

A model that the gate refused is not written, and one of an earlier run is taken away: what lies
here may be deployed.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from models.artifact import Artifact, load_artifact, save_artifact
from models.card import digest_of_card, version_of
from models.signing import SigningKey
from streams.errors import DataError, ModelRefused
from trainers.pipeline.model_report import ModelReport
from trainers.reports.executive_summary import executive_summary
from trainers.reports.model_page import model_page

EVERY_SYMBOL = "all"
MODEL = "ml_meta_labeling_final_model"
_ENDINGS = (".onnx", ".card.json", ".sig")


class FileNames(NamedTuple):
    """The names of one model's files. `symbol` None: all; `mark` tells one of several apart.

    >>> FileNames("rsi2", "BRK/B").stem
    'BRK%2FB_rsi2'
    """

    strategy: str
    symbol: str | None
    mark: str = ""

    @property
    def stem(self) -> str:
        """What they all begin with; what is no letter, digit, `-`, `_`, `.` or `~` is encoded."""
        parts = (self.symbol or EVERY_SYMBOL, self.strategy, self.mark)
        return "_".join(quote(part, safe="") for part in parts if part)

    @property
    def model(self) -> str:
        """The model's, without an ending."""
        return f"{self.stem}_{MODEL}"


def write_model_files(
    report: ModelReport,
    model: tuple[bytes, bytes] | None,
    names: FileNames,
    folder: Path,
    signer: SigningKey,
) -> ModelReport:
    """Write a model's files and return its report, which names them.

    `model` is the card and the graph, None where the gate refused. Raises DataError for a folder
    that cannot be written.
    """
    own = folder / names.stem
    files = {
        "summary": f"{names.stem}/{names.stem}_executive_summary.txt",
        "report": f"{names.stem}/{names.stem}_report.html",
    }
    version = None
    try:
        own.mkdir(parents=True, exist_ok=True)
        if model is None:
            for ending in _ENDINGS:
                (own / f"{names.model}{ending}").unlink(missing_ok=True)
        else:
            card, onnx = model
            save_artifact(Artifact(card, onnx, signer.sign(card)), own, names.model)
            files["model"] = f"{names.stem}/{names.model}.onnx"
            files["card"] = f"{names.stem}/{names.model}.card.json"
            version = version_of(report.identity.strategy, digest_of_card(card))
        report = msgspec.structs.replace(
            report,
            files=files,
            identity=msgspec.structs.replace(report.identity, version=version),
        )
        _write(folder / files["summary"], executive_summary(report))
        _write(folder / files["report"], model_page(report))
    except OSError as error:
        raise DataError(
            f"a model's files cannot be written to {own}: {error.strerror or error}; name another "
            "--output-dir"
        ) from None
    return report


def has_model_files(
    report: ModelReport, names: FileNames, folder: Path, signer: SigningKey
) -> bool:
    """Whether the files of `report` are there, and the model among them is its own and signed so.

    A run of other settings that was killed may have left its model here, or taken this one away.
    """
    if not all((folder / name).is_file() for name in report.files.values()):
        return False
    own = folder / names.stem
    if "model" not in report.files:
        return not any((own / f"{names.model}{ending}").exists() for ending in _ENDINGS)
    try:
        found = load_artifact(own / f"{names.model}.onnx")
        is_whole = found.card.onnx_sha256 == hashlib.sha256(found.onnx).hexdigest()
    except ModelRefused:
        return False
    is_own = found.version == report.identity.version
    return is_whole and is_own and found.signature == signer.sign(found.card_bytes)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)

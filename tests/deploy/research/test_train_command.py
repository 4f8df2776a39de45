"""`assay train --full` and `--evaluate` on signals of a known worth: found, told, and served."""

import shutil
from pathlib import Path

import pytest

from deploy.cli import execute
from deploy.config import load_run
from deploy.research.extraction_plan import Asked, Job, plan_of
from deploy.research.sample_reader import SampleReader
from deploy.state import StateDir
from models.artifact import load_artifact, save_artifact
from tests.deploy.research.pipeline_runs import PLANTED, assignments, digests, document
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

FLAT = "strategies.0.ml.model_path={}"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model of planted skill was trained in full, by its command."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "run.yaml").write_text(PLANTED)
    assert execute([*command(folder, "--full"), "--ledger", str(folder / "ledger.db")]) == 0
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(folder: Path, *others: str, given: tuple[str, ...] = ()) -> list[str]:
    run = ["--config", str(folder / "run.yaml"), "--state-dir", str(folder / "state")]
    return ["train", *run, *assignments(*given), *others]


def model_of(folder: Path) -> Path:
    [path] = (folder / "state" / "models" / "synthetic").rglob("*.onnx")
    return path


def test_what_was_searched_in_full_is_found_again_and_nothing_is_trained(
    planted: Path, capsys: pytest.CaptureFixture[str]
):
    folder = planted / "state" / "models" / "synthetic"
    assert model_of(planted).name == "all_synthetic_ml_meta_labeling_final_model.onnx"
    before = digests(folder)
    told, said = document(
        capsys, *command(planted, "--full", "--ledger", str(planted / "ledger.db"))
    )
    assert digests(folder) == before
    assert told["samples_added"] == 0
    [[report]] = [one["models"] for one in told["pipeline"]]
    assert "passed, as before" in " ".join(said.split())
    assert report["samples"]["vectors"] == "served"
    # The bars of the run are there: what was served is held against what they give.
    assert report["served_difference"]["verdict"].startswith("equal bit for bit: 1500 signals")
    assert "served against recomputed, equal bit for bit: 1500 signals" in said
    [evaluation] = told["evaluations"]
    assert evaluation["promoted"]
    assert evaluation["version"] == report["identity"]["version"]


def test_a_model_is_judged_on_what_it_has_not_seen_beside_the_base_rate_that_it_learned(
    planted: Path, capsys: pytest.CaptureFixture[str]
):
    told, said = document(capsys, *command(planted, "--evaluate"))
    [found] = told["evaluations"]
    card = load_artifact(model_of(planted)).card
    assert found["digest"] == load_artifact(model_of(planted)).digest
    evaluation = found["evaluation"]
    assert evaluation["from_ts"] > card.labels_to_ts == found["known_to_ts"]
    assert evaluation["samples"] + found["seen"] == 1500
    assert found["null_origin"] == "card"
    assert evaluation["null_probability"] == pytest.approx(card.validation["base_rate"])
    assert evaluation["threshold"] == 0.5
    assert evaluation["auc"]["low"] > 0.5
    assert evaluation["log_loss_gain"]["low"] > 0.0
    for words in (
        f"{found['seen']:,} samples left out, of up to",
        "of what it was trained on, by its card",
        "it ranks good signals above bad ones",
        "its probabilities are better",
        "the gate: better than the null model",
    ):
        assert words in said
    # A mode that accepts every signal has no threshold.
    given = ("strategies.0.ml.prediction_mode=replace",)
    told, said = document(capsys, *command(planted, "--evaluate", given=given))
    assert told["evaluations"][0]["evaluation"]["acceptance"] is None
    assert "every signal is accepted (prediction_mode replace): there is no threshold" in said


def test_a_model_without_skill_is_told_so_and_exits_1(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def saved(name: str, slope: float, **changes: object) -> Path:
        made = tiny_artifact(
            ("signal_x39",), (slope,), -0.1, strategy="synthetic", signer=TEST_SIGNER, **changes
        )
        return save_artifact(made, tmp_path / name)

    trusted = (f"trusted_keys=[{TEST_SIGNER.public_hex}]",)
    # x39 is noise, and this card tells no base rate; it was trained before all samples.
    idle = saved("idle", 0.05, training_to_ts=1, labels_to_ts=1)
    told, said = document(
        capsys, *command(planted, "--evaluate", "--model", str(idle), given=trusted), status=1
    )
    [found] = told["evaluations"]
    assert (found["seen"], found["null_origin"]) == (0, "judged")
    assert found["reason"] == "not_better_than_null"
    assert "no skill here, the interval includes 0" in said
    assert "of the samples that judge it, for nothing tells that of its training" in said
    assert "not better than the null model; let the signals pass through" in said
    # Far too sure of itself: worse than knowing nothing, and that is said.
    bold = saved("bold", 4.0, training_to_ts=1, labels_to_ts=1)
    _, said = document(
        capsys, *command(planted, "--evaluate", "--model", str(bold), given=trusted), status=1
    )
    assert "its probabilities are worse: let the signals pass through" in said
    assert "it says too much" in said
    # One that has seen everything: nothing is left to judge it by.
    last = 4_000_000_000 * 10**9
    late = saved("late", 1.0, training_to_ts=last, labels_to_ts=last)
    told, said = document(
        capsys, *command(planted, "--evaluate", "--model", str(late), given=trusted), status=1
    )
    assert told["evaluations"][0]["seen"] == 1500
    assert "nothing is known of what it is worth" in said


def test_a_model_that_is_not_there_or_is_not_trusted_exits_2_with_a_remedy(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def refused(*others: str, given: tuple[str, ...] = (), at: Path = planted) -> str:
        assert execute(command(at, *others, given=given)) == 2
        return capsys.readouterr().err

    gone = FLAT.format(tmp_path / "gone.onnx")
    error = refused("--evaluate", given=(gone,))
    assert "gone.onnx does not exist: train a model with assay train or assay pipeline" in error
    error = refused("--evaluate", "--model", "gone.onnx")
    assert "--model gone.onnx is no model's file" in error
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(planted / "run.yaml", other)
    assert "strategy synthetic has no model" in refused("--evaluate", at=other)
    assert "--model PATH" in refused("--evaluate", at=other)
    # Where another strategy has one, that is judged.
    others = planted / "others.yaml"
    others.write_text(f"{PLANTED}  - {{name: breakout, interval: 1d}}\n")
    run = ["train", "--config", str(others), "--state-dir", str(planted / "state")]
    told, said = document(capsys, *run, "--evaluate")
    assert [one["strategy"] for one in told["evaluations"]] == ["synthetic"]
    assert "breakout: there is no model, its signals pass through" in said
    # Signed by somebody whom nobody trusts.
    (other / "state" / "keys").mkdir(parents=True, exist_ok=True)
    (other / "state" / "keys" / "signing.pub").write_text(TEST_SIGNER.public_hex)
    error = refused("--evaluate", "--model", str(model_of(planted)), at=other)
    assert "cannot be used" in error
    # A graph that is not the card's.
    copied = tmp_path / "tampered"
    shutil.copytree(model_of(planted).parent, copied)
    [graph] = copied.glob("*.onnx")
    graph.write_bytes(graph.read_bytes()[:-1])
    assert "its card says" in refused("--evaluate", given=(FLAT.format(graph),))


def test_the_record_is_read_symbol_by_symbol_or_of_those_that_are_asked_for(planted: Path):
    file = planted / "run.yaml"

    def reader(**data: object) -> tuple[SampleReader, Job]:
        plan = plan_of(Asked(config=file, from_record=True, data=data))
        return SampleReader(plan, StateDir(planted / "state"), load_run(file)), plan.jobs[0]

    whole, job = reader()
    names = whole.symbols(job)
    assert len(names) == 20
    counts = [len(whole.read(job, name).samples) for name in names]
    assert min(counts) > 0
    assert sum(counts) == 1500
    part, job = reader(symbols=list(names[:2]))
    assert part.symbols(job) == names[:2]
    assert len(part.read(job, None).samples) == sum(counts[:2])


def test_the_model_that_passed_filters_a_backtest(
    planted: Path, capsys: pytest.CaptureFixture[str]
):
    run = ["backtest", *command(planted, given=(FLAT.format(model_of(planted)),))[1:]]
    told, said = document(capsys, *run, "--ledger", "ledger.db")
    [found] = told["strategies"]
    assert found["signals"] == 1500
    assert 100 < found["accepted"] < 1400
    assert found["accepted_only"]["mean_r"] > found["all"]["mean_r"]
    assert "was trained on outcomes up to" in said


def test_a_model_that_the_gate_refuses_takes_the_one_before_it_away(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(planted / "state", tmp_path / "state")
    shutil.copy(planted / "run.yaml", tmp_path)
    model = model_of(tmp_path)
    strict = command(tmp_path, "--full", given=("pipeline.gate.class_min=600",))
    told, said = document(capsys, *strict, "--ledger", "ledger.db", status=1)
    [[report]] = [one["models"] for one in told["pipeline"]]
    assert report["verdict"]["reason"] == "too_few_outcomes"
    assert "model" not in report["files"]
    assert told["evaluations"] == []
    assert {path.suffix for path in model.parent.iterdir()} == {".html", ".txt"}
    assert "model:" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--train", "--n-trials", "5"], "say --full"),
        (["--evaluate", "--output-dir", "x"], "say --full"),
        (["--train", "--model", "x.onnx"], "--evaluate"),
        (["--full", "--nats", "nats://127.0.0.1:1"], "leave out --nats"),
        (["--full", "--set", "ml_data_collection.enabled=false"], "--full collects training"),
    ],
)
def test_options_that_make_no_sense_together_are_named(
    arguments: list[str], words: str, planted: Path, capsys: pytest.CaptureFixture[str]
):
    assert execute(command(planted, *arguments)) == 2
    assert words in capsys.readouterr().err

"""`assay strategies` says what there is, on a narrow screen and to machines."""

from pathlib import Path

import msgspec
import pytest

from deploy.cli import execute
from deploy.config import load_run
from engine.strategy import load_strategy, strategy_names

NARROW = 80


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(NARROW))


@pytest.mark.usefixtures("narrow")
def test_the_list_is_aligned_and_fits_a_narrow_screen(capsys: pytest.CaptureFixture[str]):
    assert execute(["strategies", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= NARROW
    for name in strategy_names():
        [at] = [i for i, line in enumerate(lines) if line.startswith(f"{name} (")]
        head = next(line for line in lines[at:] if "parameter " in line)
        rows = [line for line in lines[lines.index(head, at) + 1 :] if line.startswith("    ")]
        fields = load_strategy(name).params_type.__struct_fields__
        for field, row in zip(fields, rows, strict=False):
            assert row.split()[0] == field
            # A column begins where its head does.
            assert row[head.index("default") - 1] == row[head.index("allowed") - 1] == " "
            assert row[head.index("default")] != " "
    breakout = lines[lines.index("breakout (long; shorts with shorts: true)") :]
    assert "    slow_clearance      0.005    0 to 0.2            0.005 to 0.025" in breakout
    assert "    trend_ma            50       one of 20, 50, 100  one of 20, 50, 100" in breakout


def test_a_machine_reads_sides_and_ranges(capsys: pytest.CaptureFixture[str]):
    assert execute(["strategies", "list", "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    found = {one["name"]: one for one in document["strategies"]}
    assert set(found) == set(strategy_names())
    assert found["breakout"]["sides"] == [1]
    assert found["donchian_trend"]["sides"] == [1, -1]
    assert found["rsi2_mean_reversion"]["indicators"] == ["rsi", "trend_ma"]
    stop = found["breakout"]["parameters"][0]
    assert stop == {
        "name": "hard_stop_atr_mult",
        "type": "float",
        "default": 2.5,
        "allowed": "0.5 to 10",
        "search": {"kind": "float", "low": 1.5, "high": 4.0},
    }
    trend = found["breakout"]["parameters"][4]
    assert trend["search"] == {"kind": "choice", "choices": [20, 50, 100]}


@pytest.mark.parametrize("name", strategy_names())
@pytest.mark.usefixtures("narrow")
def test_what_is_shown_can_be_run(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert execute(["strategies", "show", name]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= NARROW
    for label in ("Entry: ", "Exit: ", "Technical score: ", "Warm-up: ", "Source: "):
        assert f"\n{label}" in text
    said = "".join(text.split())
    assert "".join(load_strategy(name).documentation.split()) in said
    file = tmp_path / "run.yaml"
    indented = text[text.index("  strategy: ") :].splitlines()
    file.write_text("\n".join(line[2:] for line in indented))
    [settings] = load_run(file, environment={}).strategies
    strategy = load_strategy(name)
    assert settings.name == name
    assert strategy.decode_params(dict(settings.params), "") == strategy.decode_params({}, "")


def test_one_strategy_for_machines_brings_its_documentation(capsys: pytest.CaptureFixture[str]):
    assert execute(["strategies", "show", "gap_fade", "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    assert document["documentation"] == load_strategy("gap_fade").documentation
    assert document["summary"].startswith("Trade against an opening gap")


def test_an_unknown_strategy_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]):
    assert execute(["strategies", "show", "mean_reversion"]) == 2
    said = capsys.readouterr().err
    assert "strategy kind was 'mean_reversion': did you mean " in said
    nearest = said.partition("did you mean ")[2].partition("?")[0].split(" or ")
    assert "rsi2_mean_reversion" in nearest
    assert len(nearest) == 3

"""The page of a model tells what its report holds, says what is missing, and trusts no name."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.trainers.reports.model_reports import bare_report, report_of
from tests.trainers.reports.page_reader import seen
from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import ModelReport
from trainers.reports.model_caveats import caveats
from trainers.reports.model_page import link, model_page, write_model_page
from trainers.reports.model_verdict import next_step, sentence

EVIL = "</script><script>alert(1)</script><b>\"x'&"
PICTURES = (
    "walk-forward",
    "paths",
    "reliability",
    "threshold",
    "equity-holdout",
    "equity-out-of-fold",
    "permutation",
    "contributions",
)
NUMBER = re.compile(r"[+-]?\d+(?:,\d{3})*(?:\.\d+)?%?")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2})?")

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def good():
    return model_page(report_of())


def without_program(page: str) -> str:
    start = page.index("<script>")
    return page[:start] + page[page.index("</script>", start) :]


def test_a_page_begins_with_the_verdict_then_the_warnings(good):
    report = report_of(samples=200)
    words = seen(model_page(report)).words
    order = [sentence(report), next_step(report), *caveats(report), "Key figures", "Walk-forward"]
    places = [words.index(text) for text in order]
    assert places == sorted(places)
    assert "140 samples are few" in words
    assert sentence(report_of()) in seen(good).words
    assert "Before you believe it" not in seen(good).words


def test_a_page_holds_every_picture_once(good):
    assert [name for name in seen(good).ids if name in PICTURES] == list(PICTURES)


def test_every_number_in_a_table_is_one_of_the_report(good):
    told = numbers_of(report_of())
    page = seen(good)
    cells = [DAY.sub("", cell) for row in page.rows for cell in row[: prose_of(row)]]
    tokens = [token for cell in [*cells, *page.tiles] for token in numbers_in(cell)]
    assert len(tokens) > 300
    assert [token for token in tokens if token not in told] == []


def test_a_number_that_is_not_of_the_report_is_found_out():
    told = numbers_of(report_of())
    made_up = [f"0.{digits}" for digits in range(501, 700, 7)]
    assert sum(token not in told for token in made_up) > 20


@pytest.mark.parametrize(
    ("figure", "tokens"),
    [
        ("auc", ["0.777", "0.711", "0.843"]),
        ("log_loss_gain", ["+0.7770", "+0.7110", "+0.8430"]),
    ],
)
def test_a_figure_of_the_holdout_is_shown_as_a_tile_and_in_its_column(figure, tokens):
    report = report_of()
    changed = replace(
        report,
        holdout=replace(
            report.holdout,
            evaluation=replace(
                report.holdout.evaluation, **{figure: Figure(0.777, 0.033, 0.711, 0.843)}
            ),
        ),
    )
    page = seen(model_page(changed))
    name = {"auc": "AUC", "log_loss_gain": "log-loss gain"}[figure]
    (row,) = (row for row in page.rows if row[0] == name)
    value, low, high = tokens
    assert row[2] == f"{value} ({low} to {high})"
    assert any(tile.split() == [value, low, "to", high] for tile in page.tiles)
    assert row[1] != row[2]


def test_walk_forward_has_a_row_for_each_fold(good):
    walk = report_of().walk_forward
    rows = [row for row in seen(good).rows if row[0].startswith("fold ")]
    assert [row[0] for row in rows] == [fold.tested.period for fold in walk.folds]
    for row, fold in zip(rows, walk.folds, strict=True):
        assert row[1] == f"{fold.train.first_day} to {fold.train.last_day}"
        assert row[3] == f"{fold.test.first_day} to {fold.test.last_day}"
        assert row[2] == f"{fold.train_count:,}"
        assert row[5] == f"{fold.tested.auc.value:.3f} ± {fold.tested.auc.error:.3f}"


def test_the_chosen_candidate_is_marked(good):
    (row,) = (row for row in seen(good).rows if "chosen" in row)
    assert row[0] == "blend (ensemble, logistic, random_forest)"


def test_what_is_missing_is_said_with_its_reason():
    page = model_page(bare_report("nobody asked for it"))
    words = seen(page).words
    assert words.count("Not here: nobody asked for it.") == 11
    assert "Nothing was evaluated." in words
    assert not [name for name in seen(page).ids if name in PICTURES]
    quiet = model_page(replace(bare_report(), missing={}))
    assert "Not here: every signal is accepted." in seen(quiet).words
    assert "Not here: the report does not say why." in seen(quiet).words


def test_a_figure_that_is_not_defined_says_why():
    report = report_of()
    evaluation = replace(
        report.holdout.evaluation, auc=Figure(None, reason="no outcome is of class 1")
    )
    page = seen(model_page(replace(report, holdout=replace(report.holdout, evaluation=evaluation))))
    (row,) = (row for row in page.rows if row[0] == "AUC")
    assert row[2] == "- no outcome is of class 1"
    assert "the holdout has no AUC: no outcome is of class 1" in page.words


@pytest.mark.parametrize("samples", [200, 2_000])
@pytest.mark.parametrize("skill", [0.0, 1.0])
def test_no_page_says_nan_none_or_inf(samples, skill):
    words = seen(model_page(report_of(samples=samples, skill=skill))).words
    words += seen(model_page(bare_report())).words
    assert not re.findall(r"\b(?:nan|NaN|None|inf|Infinity)\b|-0\.0+\b(?!\d)", words)


def test_a_page_needs_no_network(good):
    page = without_program(good)
    assert not re.findall(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//', page)
    assert not re.findall(r"<(?:link|iframe|img)\b|<script[^>]+src|@import|url\(", page)


def test_a_page_is_the_same_for_the_same_report(good):
    again = msgspec.json.decode(msgspec.json.encode(report_of()), type=ModelReport)
    assert model_page(again) == good


def test_names_are_text_whatever_they_hold(good):
    page = model_page(with_names(report_of(), EVIL))
    assert page.count("<script>") == good.count("<script>")
    assert page.count("</script>") == good.count("</script>")
    assert "alert(1)" in seen(page).words
    # A picture takes tags in its labels for its own.
    assert "\\u003cb\\u003e" not in without_program(page)


def test_links_lead_to_files_beside_the_page_alone(good):
    assert seen(good).links == [
        "AAPL_rsi2_executive_summary.txt",
        "AAPL_rsi2_report.html",
        "AAPL_rsi2_ml_meta_labeling_final_model.onnx",
    ]
    for path in ("javascript:alert(1)", "//host/x", "/etc/passwd", "../../x", "a\\b", ""):
        assert link(path) == ""
    assert link("BRK%2FB_rsi2/BRK%2FB_rsi2_report.html") == (
        "BRK%252FB_rsi2/BRK%252FB_rsi2_report.html"
    )


def test_a_page_is_written_whole(tmp_path):
    file = tmp_path / "report.html"
    write_model_page(bare_report(), file)
    assert file.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def with_names(report: ModelReport, name: str) -> ModelReport:
    """The report with `name` wherever somebody else chose a name."""
    importance = report.importance
    return replace(
        report,
        identity=replace(report.identity, strategy=name, symbol=name, params={name: name}),
        candidates=tuple(replace(one, name=name) for one in report.candidates),
        samples=replace(report.samples, warnings=(name,)),
        feature_choice=replace(report.feature_choice, columns=(name,)),
        importance=replace(
            importance,
            permuted=tuple(replace(one, features=(name,)) for one in importance.permuted),
            contributions=tuple(replace(one, feature=name) for one in importance.contributions),
        ),
        walk_forward=replace(
            report.walk_forward,
            folds=tuple(
                replace(one, tested=replace(one.tested, period=f"{number}{name}"))
                for number, one in enumerate(report.walk_forward.folds)
            ),
        ),
        settings={name: name},
        missing={"served_difference": name},
        files={name: name},
    )


def prose_of(row: list[str]) -> int:
    """Where the sentence that explains a row begins: it has numbers of its own."""
    return next((place for place, cell in enumerate(row) if cell.endswith(".")), len(row))


def numbers_in(text: str) -> list[str]:
    """The numbers of a text, less those within words: atr_14, 95 % of nothing."""
    return [
        match.group()
        for match in NUMBER.finditer(text)
        if not re.match(r"[\w.]", text[match.end() : match.end() + 1])
        and not re.match(
            r"[\w.\-]", text[match.start() - 1 : match.start()] if match.start() else ""
        )
    ]


def numbers_of(report: ModelReport) -> set[str]:
    """Every number of a report as a page may round it, but for those of series."""
    tree = msgspec.to_builtins(report)
    for found in (tree["out_of_fold"], tree["holdout"]["evaluation"]):
        found["equity"] = found["equity"]["share_of_random_below"]
        found["curve"] = found["reliability"]["bins"] = None
    told: set[str] = set()
    for value in leaves(tree):
        if isinstance(value, str):
            told |= set(numbers_in(value))
            continue
        told |= {f"{value:,}", f"{value:.5g}", f"{value:.6g}", f"{round(value, 3) + 0.0:.1%}"}
        for digits in range(5):
            rounded = round(value, digits) + 0.0
            told |= {f"{rounded:,.{digits}f}", f"{rounded:+.{digits}f}"}
    return told


def leaves(tree: Any) -> Iterator[float | str]:
    if isinstance(tree, dict):
        yield float(len(tree))
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from leaves(value)
    elif isinstance(tree, int | float | str) and not isinstance(tree, bool):
        yield tree

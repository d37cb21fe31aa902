"""The page: complete, self-contained, and harmless whatever a text says."""

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pages
import pytest
from pages import NASTY, exploration, removed, segments, unpacked
from pictures import TEXT, WORDS, attribution, tokenized

import textiba.report
from textiba.attribution import Attribution, BitsDetails, word_scores
from textiba.errors import InputError
from textiba.evaluation.degradation import Degradation, removal_order
from textiba.report import Exploration, build_page, payload, write_page
from textiba.report.layout import Layout, token_positions
from textiba.report.packing import pack, quantise
from textiba.report.page import to_json
from textiba.show.scale import Scale
from textiba.texts.sources import Text


class _Page(HTMLParser):
    """The tags of a page, and the text of its scripts by their type."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.kind: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.kind = dict(attrs).get("type") or "script" if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self.kind:
            self.scripts[self.kind] = data

    def handle_endtag(self, tag: str) -> None:
        self.kind = None


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the exploration as it is."""
    return build_page(exploration())


def test_the_payload_has_every_run_word_by_word():
    data = payload(exploration())
    columns = unpacked(data["packed"])
    assert data["checkpoints"] == ["general", "fine-tuned"]
    assert [(m["name"], m["unit"], m["signed"]) for m in data["measures"]] == [
        ("Evidence", "nats", True), ("Bits", "bits", False),
    ]  # fmt: skip
    assert data["measures"][1]["betas"] == data["betas"] == [1e-4, 1e-3]
    assert columns["layer"].tolist() == [0, 1, 0, 1, 1, 1]
    assert columns["beta"].tolist() == [-1, -1, -1, -1, 0, 1]
    assert columns["checkpoint"].tolist() == [0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(pages.scores(data, 0), [0.123456, -1, 0, 0.25, 2, 0], rtol=4e-3)
    assert columns["opened"][0] == np.float32(-0.1)
    assert np.isnan(columns["opened"][4])
    assert columns["steps"].tolist() == [0, 0, 0, 0, 2, 2]
    assert len(data["layouts"]["text"]) == 1  # shared by all runs
    cut = segments(data, 0)
    assert "".join(text for text, _ in cut) == TEXT.text
    assert tuple(text for text, kind in cut if kind & 1) == WORDS
    assert data["curves"][0]["area"] == [0.4, 0.4, 0.4]
    assert data["profile"][0]["usable"][0] == pytest.approx(1.9 / 0.6931, rel=1e-3)


def test_the_limits_are_those_of_the_shared_scale():
    made = exploration()
    scale = Scale.of(made.attributions)
    nats, bits = payload(made)["measures"]
    for measure, unit in ((nats, "nats"), (bits, "bits")):
        span = scale.ranges[unit]
        assert (measure["limit"], measure["floor"]) == (span.limit, span.floor)
        assert [tick["size"] for tick in measure["ticks"]] == list(span.ticks)
    assert nats["ticks"][-1]["text"] == "2"
    assert nats["outside"] == "logarithmic; 8 of 24 words, below 0.067, have no colour"


def test_columns_come_back_as_they_were():
    columns = {
        "small": np.asarray([0, -128, 127]), "middle": np.asarray([0, -129]), "large": np.asarray([40_000, -1]),
        "float": np.asarray([0.1, np.nan, -1e9]), "none": np.zeros(0, dtype=np.int64),
    }  # fmt: skip
    packed = pack(columns)
    assert {name: kind for name, (kind, _) in packed["columns"].items()} == {
        "small": "i1", "middle": "i2", "large": "i4", "float": "f4", "none": "i1",
    }  # fmt: skip
    for name, values in unpacked(packed).items():
        np.testing.assert_array_equal(values, columns[name].astype(values.dtype))
    assert pack(columns) == packed  # the same data give the same page


def test_quantised_numbers_are_close_whether_large_or_small():
    values = np.random.default_rng(0).normal(size=500) * np.logspace(-5, 3, 500)
    whole, step = quantise(values)
    error = np.abs(whole.astype(float) ** 3 * step - values) / np.abs(values)
    largest = np.abs(values).max()
    assert error[np.abs(values) > 0.9 * largest].max() <= 0.0026
    assert error[np.abs(values) > largest / 1000].max() <= 0.026
    assert error[np.abs(values) > largest / 5000].max() <= 0.045
    whole, step = quantise(np.asarray([0.0, np.nan]))
    assert (whole.tolist(), step) == ([0, -32768], 0.0)


def test_word_scores_and_tokens_are_those_of_the_words():
    a = attribution([0.1, 0.2, 0.3, 0.4, 1, 2, 3])
    np.testing.assert_allclose(word_scores(a), [w.score for w in a.words()], rtol=1e-6)
    layout = Layout.of(a)
    assert layout.tokens == (1, 1, 1, 1, 2, 1)  # "wonderful" is two
    assert layout.pieces == (5, 4, 1, 6, 4, 5, 1)
    assert token_positions(a) == [1, 2, 3, 4, 5, 6, 7]


def test_a_word_that_shares_its_characters_keeps_its_place():
    text = replace(tokenized(), offsets=((0, 0), (0, 5), (0, 5), (10, 11), (12, 18), (19, 23), (23, 28), (0, 0)))
    a = attribution([1, 2, 3, 4, 5, 6, 7], text=replace(text, word_ids=(None, 0, 1, 2, 3, 4, 4, None)))
    data = payload(exploration(attributions=[a]))
    assert [text for text, kind in segments(data, 0) if kind & 1] == ["Never", "", ",", "always", "wonderful"]
    np.testing.assert_allclose(pages.scores(data, 0), [1, 2, 3, 4, 11], rtol=6e-3)


@pytest.mark.parametrize(("by", "steps"), [("fraction", (0, 0.15, 0.5, 0.9, 1.0)), ("count", (0, 1, 2, 5, 30))])
def test_cells_tell_which_tokens_are_gone_at_each_step(by: str, steps: tuple[float, ...]):
    a = attribution([0.3, 0.3, 0.1, -2, 0.5, 0.4, 0])
    found = removed(a, np.asarray(steps, dtype=float), by)
    data = payload(exploration(attributions=[a], removed=[found]))
    cells = unpacked(data["packed"])["removedCell"]
    settings = Degradation(by=by, steps=tuple(map(float, steps)))  # type: ignore[arg-type]
    edges = sorted({*settings.counts(7), *(7 - count for count in settings.counts(7, "lerf"))})
    for order, gone_when in (("morf", lambda e, n: e < n), ("lerf", lambda e, n: e >= 7 - n)):
        for count in settings.counts(7, order):
            gone = {p for p, cell in zip(a.text.content, cells, strict=True) if gone_when(edges[cell], count)}
            assert gone == set(removal_order(a, order)[:count])
    found_p = unpacked(data["packed"])["removedP"].reshape(2, -1) / 10_000
    np.testing.assert_allclose(found_p, [found.probability[o] for o in ("morf", "lerf")], atol=1e-4)


def test_a_removal_of_what_is_not_shown_is_refused():
    with pytest.raises(InputError, match="the page has none of 'm', 'evidence'"):
        payload(exploration(removed=[removed(attribution(checkpoint="m"))]))


def test_what_a_method_was_varied_in_makes_measures_of_its_own():
    made = [attribution(settings={"layer": 1, "nodes": nodes}, layer=1) for nodes in (4, 8)]
    assert [m["name"] for m in payload(exploration(attributions=made))["measures"]] == [
        "Evidence · nodes 4", "Evidence · nodes 8",
    ]  # fmt: skip


def _crowd(texts: int) -> Exploration:
    """Texts as long as IMDB's are at 256 tokens × 2 checkpoints × 6 layers × 5 β; of one β words are removed."""
    draw = np.random.default_rng(1)
    words = [f"w{i:04d}"[: draw.integers(2, 6)] for i in range(3000)]
    made: list[Attribution] = []
    for _ in range(texts):
        text = tokenized(Text(" ".join(draw.choice(words, 200)), 1))
        base = draw.gamma(0.6, size=len(text.content))
        for checkpoint, layer, beta in itertools.product("ab", range(6), (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)):
            values = (base * draw.lognormal(0, 0.7, len(base))).tolist()
            traces = draw.uniform(0, 1, 11), draw.uniform(0, 1000, 11)
            details = BitsDetails(np.ones(1), *traces, True, 0.9, 0.0, 1.0)
            facts = {"layer": layer, "beta": beta, "checkpoint": checkpoint, "details": details}
            made.append(attribution(values, unit="bits", text=text, **facts))
    return exploration(attributions=made, removed=[removed(a) for a in made[::5]], profile=())


def test_two_hundred_texts_at_every_layer_and_beta_fit_into_five_megabytes():
    one, three = (len(build_page(_crowd(texts)).encode()) for texts in (1, 3))
    assert one + 199 * (three - one) / 2 < 5_000_000


def test_the_page_asks_the_network_for_nothing(page: str):
    tags = _Page(page).tags
    links = [value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href")]
    assert links == ["data:,", "#stage"]  # the second is a place on the page
    [policy] = [a["content"] for tag, a in tags if tag == "meta" and "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    urls = re.findall(r"https?://[^\s\"']+|fetch\(|XMLHttp|import\(", page)
    assert urls == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_a_hostile_text_is_only_text():
    shown = [attribution(text=tokenized(Text(NASTY, 0, (), "</script>", "<b>")), checkpoint="<i>")]
    hostile = exploration(title="</title><script>alert(3)</script>", attributions=shown, profile=(), curves=())
    page = _Page(build_page(hostile))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not {"img", "i"} & {tag for tag, _ in page.tags}
    data = json.loads(page.scripts["application/json"])
    assert data["texts"][0]["text"] == NASTY
    assert "".join(text for text, _ in segments(data, 0)) == NASTY
    assert data["checkpoints"] == ["<i>"]


def test_scripts_write_text_and_never_markup(page: str):
    script = _Page(page).scripts["script"]
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in script


def test_every_id_the_script_asks_for_exists(page: str):
    parsed = _Page(page)
    ids = {attrs["id"] for _, attrs in parsed.tags if "id" in attrs}
    assert set(re.findall(r'byId\("([\w-]+)"\)', parsed.scripts["script"])) <= ids


def test_json_has_no_character_that_ends_a_script():
    assert to_json({"a": "<\u2028>&"}) == '{"a":"\\u003c\\u2028\\u003e\\u0026"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_two_runs_at_one_place_are_refused():
    with pytest.raises(InputError, match="got two for 'fine-tuned', 'evidence', layer 1"):
        payload(exploration(attributions=[attribution(), attribution()], curves=()))
    with pytest.raises(InputError, match="at least one attribution"):
        build_page(exploration(attributions=[]))


def test_a_page_is_written_and_stays_small(tmp_path: Path):
    path = write_page(exploration(), tmp_path / "new" / "page.html")
    text = path.read_text("utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert "<dd>&lt;0&gt;</dd>" in text
    assert path.stat().st_size < 120_000


def test_scripts_stay_readable():
    folder = Path(__file__).parent.parent / "textiba" / "report"
    for file in folder.glob("*.*"):
        assert len(file.read_text("utf-8").splitlines()) <= 300, file.name


def test_no_two_scripts_of_the_page_define_one_name():
    """The scripts share one scope: a second definition of a name would replace the first."""
    folder = Path(textiba.report.__file__).parent
    found = [
        name
        for script in sorted(folder.glob("*.js"))
        for name in re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", script.read_text("utf-8"), re.M)
    ]
    assert len(found) > 50
    assert {name for name in found if found.count(name) > 1} == set()

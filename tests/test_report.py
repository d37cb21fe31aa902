"""The page: complete, self-contained, and harmless whatever a review says."""

import functools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pictures import REVIEW, WORDS, attribution, curves, encoded

from textiba.attribution import Attribution
from textiba.data import Review
from textiba.errors import InputError
from textiba.profile import LayerRow, layer_profile
from textiba.report import Exploration, build_page, payload, write_page
from textiba.report.page import to_json
from textiba.scale import Scale

NASTY = 'Good </script><img src=x onerror="alert(1)"> <!-- & 😀 fine\u2028'


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


@functools.cache
def _rows() -> list[LayerRow]:
    return layer_profile(_shown())


def _shown() -> list[Attribution]:
    shown = [
        attribution([0.123456, -1, 0, 0.25, 1, 1, 0], layer=layer, checkpoint=checkpoint)
        for checkpoint in ("general", "fine-tuned")
        for layer in (0, 1)
    ]
    return [*shown, *(attribution(unit="bits", beta=beta) for beta in (1e-4, 1e-3))]


def _exploration(**changes) -> Exploration:
    fields = {
        "title": "A & B", "attributions": _shown(), "profile": _rows(),
        "curves": {"fine-tuned": {"evidence": curves()}}, "facts": {"seed": "<0>"},
    }  # fmt: skip
    return Exploration(**fields | changes)


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the exploration as it is."""
    return build_page(_exploration())


def test_the_payload_has_every_run_word_by_word():
    data = payload(_exploration())
    assert data["checkpoints"] == ["general", "fine-tuned"]
    assert [(m["name"], m["unit"], m["signed"]) for m in data["measures"]] == [
        ("Evidence", "nats", True), ("Bits", "bits", False),
    ]  # fmt: skip
    assert data["measures"][1]["betas"] == [1e-4, 1e-3]
    assert len(data["runs"]) == 6
    first = data["runs"][0]
    assert first["scores"] == [0.1235, -1.0, 0.0, 0.25, 2.0, 0.0]
    assert first["opened"] == -0.1
    [layout] = data["layouts"]  # shared by all runs
    assert "".join(text for text, _, _ in layout) == REVIEW.text
    assert tuple(text for text, word, _ in layout if word >= 0) == WORDS
    assert data["curves"][0]["area"] == [0.4, 0.4, 0.4]
    assert data["profile"][0]["usable"][0] == pytest.approx(1.9 / 0.6931, rel=1e-3)


def test_the_limits_are_those_of_the_shared_scale():
    exploration = _exploration()
    scale = Scale.of(exploration.attributions)
    limits = [m["limit"] for m in payload(exploration)["measures"]]
    assert limits == [float(f"{scale.ranges[unit].limit:.4g}") for unit in ("nats", "bits")]


def test_the_page_asks_the_network_for_nothing(page: str):
    tags = _Page(page).tags
    links = [value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href")]
    assert links == ["data:,"]
    [policy] = [a["content"] for tag, a in tags if tag == "meta" and "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    urls = re.findall(r"https?://[^\s\"']+|fetch\(|XMLHttp|import\(", page)
    assert urls == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_a_hostile_review_is_only_text():
    shown = [attribution(review=encoded(Review(NASTY, 0, (), "</script>", "<b>")), checkpoint="<i>")]
    hostile = _exploration(title="</title><script>alert(3)</script>", attributions=shown, profile=(), curves={})
    page = _Page(build_page(hostile))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not {"img", "i"} & {tag for tag, _ in page.tags}
    data = json.loads(page.scripts["application/json"])
    assert "".join(text for text, _, _ in data["layouts"][0]) == NASTY
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
        payload(_exploration(attributions=[attribution(), attribution()], curves={}))
    with pytest.raises(InputError, match="at least one attribution"):
        build_page(_exploration(attributions=[]))


def test_a_page_is_written_and_stays_small(tmp_path: Path):
    path = write_page(_exploration(), tmp_path / "new" / "page.html")
    text = path.read_text("utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert "<dd>&lt;0&gt;</dd>" in text
    assert path.stat().st_size < 120_000


def test_scripts_stay_readable():
    folder = Path(__file__).parent.parent / "textiba" / "report"
    for file in folder.glob("*.*"):
        assert len(file.read_text("utf-8").splitlines()) <= 300, file.name

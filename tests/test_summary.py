"""Names and tables of results."""

import csv
from pathlib import Path

import numpy as np

from textiba.attribution import Curve
from textiba.show.summary import area_table, curve_labels, write_csv


def group(method: str, falls: float = 0.2, **settings: object) -> dict[str, Curve]:
    """Curves of three texts that fall to `falls` for MoRF and stay for LeRF."""
    steps = np.array([0.0, 0.5, 1.0])
    morf, lerf = np.tile([1.0, falls, falls], (3, 1)), np.ones((3, 3))
    return {
        order: Curve(order, "delete", "fraction", steps, p, np.ones((3, 3)), method, "model", settings)
        for order, p in (("morf", morf), ("lerf", lerf))
    }


def test_a_label_names_layer_and_beta_and_what_else_was_varied():
    groups = [
        group("per_sample", layer=2, beta=1e-4, gates="token", steps=10),
        group("per_sample", layer=2, beta=1e-4, gates="feature", steps=10),
        group("random"),
    ]
    assert curve_labels(groups) == [
        "model · per_sample · layer 2 · beta 0.0001 · gates token",
        "model · per_sample · layer 2 · beta 0.0001 · gates feature",
        "model · random",
    ]


def test_areas_are_those_of_the_curves_and_survive_the_file(tmp_path: Path):
    table = area_table([group("a", falls=0.2), group("b", falls=1.0)])
    assert table["area"] == ["0.600", "0.000"]  # 0.8 · (¼ + ½)
    assert table["95 %"] == ["[0.600, 0.600]", "[0.000, 0.000]"]
    write_csv(table, tmp_path / "areas.csv")
    with (tmp_path / "areas.csv").open(encoding="utf-8") as file:
        assert [row["area"] for row in csv.DictReader(file)] == table["area"]

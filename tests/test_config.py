"""Every config in the repository loads, and a wrong one says what is wrong."""

from pathlib import Path

import pytest
import toys
import yaml

from textiba.benchmark import BenchmarkConfig
from textiba.corpus import CorpusConfig
from textiba.errors import InputError, LayerError, SettingError
from textiba.runs.config import DataChoice, MethodChoice, SweepConfig
from textiba.training.finetune import Recipe
from textiba.training.readout import ReadoutRecipe

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
ALL = {path: yaml.safe_load(path.read_text("utf-8")) for path in sorted(EXPERIMENTS.rglob("*.yaml"))}
READOUTS = sorted((EXPERIMENTS / "readout" / "recipes").glob("*.yaml"))
CORPORA = sorted((EXPERIMENTS / "corpus").glob("*.yaml"))
RECIPES = [path for path, values in ALL.items() if "kind" in values]
BENCHMARKS = [path for path, values in ALL.items() if "reference" in values]
SWEEPS = [path for path in ALL if path not in (*RECIPES, *BENCHMARKS, *CORPORA, *READOUTS)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_in_the_repository_loads(path: Path):
    assert Recipe.from_yaml(path).kind in ("adapter", "probe", "fresh")


@pytest.mark.parametrize("path", READOUTS, ids=lambda p: p.stem)
def test_every_readout_in_the_repository_loads(path: Path):
    assert ReadoutRecipe.from_yaml(path).checkpoint == "fine-tuned"


@pytest.mark.parametrize("path", SWEEPS, ids=lambda p: p.stem)
def test_every_sweep_in_the_repository_loads(path: Path):
    assert SweepConfig.from_yaml(path).methods


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda p: p.stem)
def test_every_benchmark_in_the_repository_loads(path: Path):
    assert BenchmarkConfig.from_yaml(path).methods


@pytest.mark.parametrize("path", CORPORA, ids=lambda p: p.stem)
def test_every_corpus_view_in_the_repository_loads(path: Path):
    assert CorpusConfig.from_yaml(path).methods


def test_there_are_configs_to_test():
    assert RECIPES
    assert BENCHMARKS
    assert CORPORA
    assert SWEEPS


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("methods: [{name: per_sample}]\nlayerz: 3", "unknown key 'layerz'"),
        ("methods: [{name: per_sample, settings: {betta: 1}}]", "unknown key 'betta'"),
        ("methods: [{name: persample}]", "no method is called 'persample'"),
        ("methods: [{name: per_sample, settings: {beta: -1}}]", "greater than or equal to 0; got -1"),
        ("methods: []", "methods"),
        ("- a\n- b", "mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(tmp_path: Path, yaml: str, message: str):
    path = tmp_path / "config.yaml"
    path.write_text(yaml)
    with pytest.raises(SettingError, match=message) as error:
        SweepConfig.from_yaml(path)
    assert "Traceback" not in str(error.value)


def test_a_missing_config():
    with pytest.raises(SettingError, match="no such config"):
        SweepConfig.from_yaml("nowhere.yaml")


def test_all_layers_times_betas_expands():
    methods = MethodChoice(name="per_sample", layers="all", betas=(1e-4, 1e-3)).expand(toys.model())
    assert [(m.layer, m.beta) for m in methods[:3]] == [(0, 1e-4), (0, 1e-3), (1, 1e-4)]  # type: ignore[attr-defined]
    assert len(methods) == 6


def test_a_layer_the_model_lacks_is_an_error_before_anything_runs():
    from textiba import load

    config = SweepConfig(methods=(MethodChoice(name="evidence", layers=(2, 9)),))
    with pytest.raises(LayerError, match="got 9"):
        config.expand(load("fine-tuned"))


def test_texts_by_id_and_disjoint_slices():
    assert [r.id for r in DataChoice(ids=("b04", "a01")).load()] == ["b04", "a01"]
    first, second = DataChoice(limit=10).load(), DataChoice(skip=10, limit=10).load()
    assert not {r.id for r in first} & {r.id for r in second}
    with pytest.raises(InputError, match="no text with the id 'zz'"):
        DataChoice(ids=("zz",)).load()
    with pytest.raises(InputError, match="is left after skipping 999"):
        DataChoice(skip=999).load()

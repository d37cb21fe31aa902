"""Checks what a run needs before anything is loaded: checkpoints, extras, statistics, readout networks."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from textiba import methods
from textiba.bottleneck.readout import FOLDER, OWN, READOUT
from textiba.bottleneck.statistics import STATISTICS, load_statistics
from textiba.checkpoints.find import find, own_file
from textiba.errors import InputError, SettingError, missing_extra
from textiba.methods import Method
from textiba.runs.config import SweepConfig

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # the name under which a package is installed, if it differs
_CAPTUM = ("captum",)
# The packages of the "baselines" extra that each method imports; gradient methods, which name the extra, need Captum.
_PACKAGES = {"lime": ("captum", "sklearn"), "kernel_shap": ("captum", "sklearn"), "partition_shap": ("shap",)}


def check_sweep(config: SweepConfig) -> None:
    """Raises the errors of a sweep that are known without loading a model.

    Raises:
        CheckpointError: a checkpoint's name is wrong, or the hub cannot be reached.
        SettingError: statistics are named for a checkpoint that is not in the run, or statistics are missing.
        InputError: a file of statistics or a readout network does not exist.
        MissingExtraError: a method's package is not installed.
    """
    chosen = [methods.method(choice.name, **choice.settings) for choice in config.methods]
    check_run(chosen, config.checkpoints, config.statistics)


def check_run(chosen: Iterable[Method], checkpoints: Iterable[str], statistics: Mapping[str, str]) -> None:
    """Raises the errors of methods on checkpoints that are known without loading a model; see `check_sweep`.

    Args:
        chosen: the methods.
        checkpoints: built-in names, folders or hub ids.
        statistics: for each checkpoint, the file of feature statistics that was named for it, if one was named.
    """
    chosen, checkpoints = list(chosen), list(checkpoints)
    if unknown := [name for name in statistics if name not in checkpoints]:
        raise SettingError(f"statistics are named by checkpoint, one of {checkpoints}; got '{unknown[0]}'")
    for file in statistics.values():
        load_statistics(file)
    for method in chosen:
        require_packages(packages_of(method.name, method.needs), "baselines")
    for checkpoint in checkpoints:
        find(checkpoint)
        for method in chosen:
            check_method(method, checkpoint, checkpoint in statistics)


def check_method(method: Method, checkpoint: str, statistics: bool) -> None:
    """Raises the errors of one method on one checkpoint that are known without loading the model.

    Args:
        method: the method.
        checkpoint: a built-in name, a folder or a hub id.
        statistics: whether feature statistics are given; a checkpoint may also come with its own.

    Raises:
        SettingError: the method needs feature statistics, and there are none.
        InputError: the method needs a readout network, and there is none.
    """
    if method.needs_statistics and not statistics and own_file(checkpoint, STATISTICS) is None:
        raise SettingError(
            f"{method.name} needs feature statistics, and none come with {checkpoint}; make them with: textiba "
            f"estimate -c {checkpoint} -o statistics.safetensors, and give the file as --statistics, or in a config as "
            f"statistics: {{{checkpoint}: statistics.safetensors}}"
        )
    if getattr(method, "weights", None) == OWN and own_file(checkpoint, f"{FOLDER}/{READOUT}") is None:
        raise InputError(
            f"{method.name} needs a trained readout network, and none comes with {checkpoint}; train one with textiba "
            "readout train, and give its folder as --readout, or in a config as settings: {weights: FOLDER}"
        )


def packages_of(name: str, extra: str) -> tuple[str, ...]:
    """The optional packages that a method imports, as they are named in an import.

    Args:
        name: name of the method.
        extra: the extra that the method needs.
    """
    return _PACKAGES.get(name, _CAPTUM if extra else ())


def require_packages(packages: Iterable[str], extra: str) -> None:
    """Checks that packages are installed, without importing them.

    Args:
        packages: names of the packages, as in an import.
        extra: the extra of textiba that installs them.

    Raises:
        MissingExtraError: a package is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise missing_extra(_DISTRIBUTIONS.get(package, package), extra)

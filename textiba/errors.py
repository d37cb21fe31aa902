"""The errors and warnings of textiba, as a tree.

    TextibaError
    ├── InputError (also a ValueError)
    │   ├── EmptyTextError          a text without a word
    │   ├── LayerError              a layer that the model does not have
    │   ├── TargetError             a class that the model does not have
    │   ├── SettingError            a setting out of its range, or an unknown setting
    │   └── BusyFolderError         another process writes to the run's folder
    ├── CheckpointError
    │   ├── NotACheckpointError     a name, a folder or a hub id without a model in safetensors
    │   ├── HubUnavailableError     the model hub cannot be reached, and the files are not cached
    │   └── UnsupportedModelError   a model that cannot be split at its layers, or whose head cannot be read
    ├── CorruptFileError            a file's content differs from what was saved
    ├── StorageError                a file cannot be written: full disk, read-only place, folder in the way
    ├── StatisticsMismatchError     feature statistics of another model
    ├── NotFiniteError              NaN or infinity in place of a number
    └── MissingExtraError (also an ImportError)

    TextibaWarning (a UserWarning)
    ├── TruncationWarning           a text was cut at the model's length
    ├── SpecialTokenWarning         a text spells out one of the model's special tokens
    ├── FewTextsWarning             statistics were estimated on few texts
    ├── RepairWarning               a damaged part of a run was set aside
    ├── VersionWarning              a run is resumed with other versions than it was begun with
    ├── FreshHeadWarning            a checkpoint without a head got a random one
    └── UnreadWeightsWarning        a checkpoint has weights of layers that its config leaves out

Every message states the rule, the value received, and the fix.
"""


class TextibaError(Exception):
    """Base of all errors that textiba raises on purpose."""


class InputError(TextibaError, ValueError):
    """The caller's input cannot be used."""


class EmptyTextError(InputError):
    """A text is empty, or has special tokens only."""


class LayerError(InputError):
    """A layer index lies outside `0 … number of layers`."""


class TargetError(InputError):
    """A target class lies outside `0 … number of labels − 1`, or no label has the name of the target."""


class SettingError(InputError):
    """A setting has a value out of its range, or does not exist."""


class CheckpointError(TextibaError):
    """A checkpoint cannot be loaded."""


class NotACheckpointError(CheckpointError):
    """No model in safetensors with its tokenizer belongs to the name, folder or hub id."""


class HubUnavailableError(CheckpointError):
    """The model hub cannot be reached, and the files are not cached."""


class UnsupportedModelError(CheckpointError):
    """The model cannot be split at its layers, or its head cannot be read; the message says why."""


class CorruptFileError(TextibaError):
    """A file is damaged: its hash, format or shapes differ from what was saved."""


class StorageError(TextibaError):
    """A file or folder cannot be written: the disk is full, the place is read-only, or something is in the way."""


class BusyFolderError(InputError):
    """Another process writes to the folder."""


class StatisticsMismatchError(TextibaError):
    """The feature statistics were estimated on another model."""


class NotFiniteError(TextibaError):
    """A model returned NaN or infinity."""


class MissingExtraError(TextibaError, ImportError):
    """An optional dependency is not installed."""


class TextibaWarning(UserWarning):
    """Base of all warnings of textiba."""


class TruncationWarning(TextibaWarning):
    """A text was longer than the model accepts, and was cut."""


class SpecialTokenWarning(TextibaWarning):
    """A text spells out a special token, such as [SEP], which the model then reads as one."""


class FewTextsWarning(TextibaWarning):
    """Statistics were estimated on fewer texts than is advisable."""


class RepairWarning(TextibaWarning):
    """A damaged part of a run was set aside; its results are computed again."""


class VersionWarning(TextibaWarning):
    """A run is resumed with other versions of Python or of packages than it was begun with."""


class FreshHeadWarning(TextibaWarning):
    """A checkpoint has no classification head; a random one was made."""


class UnreadWeightsWarning(TextibaWarning):
    """A checkpoint has weights of layers that its config leaves out, and the model was loaded without these layers."""


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """The error for an optional dependency that is not installed, with the command that installs it."""
    return MissingExtraError(f"{package} is needed here and not installed; run: pip install 'textiba[{extra}]'")

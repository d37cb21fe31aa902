"""What can go wrong, as a tree.

    TextibaError
    ├── InputError (also a ValueError)
    │   ├── EmptyTextError          a text with nothing in it to explain
    │   ├── LayerError              a layer the model does not have
    │   ├── TargetError             a class the model does not have
    │   ├── SettingError            a setting out of its range, or a key that does not exist
    │   └── BusyFolderError         a run's folder that another process writes to
    ├── CheckpointError
    │   ├── NotACheckpointError     a folder or hub id that is no sequence classifier
    │   ├── HubUnavailableError     the model hub cannot be reached
    │   └── UnsupportedModelError   a model that cannot be split at its layers, or whose head cannot be read
    ├── CorruptFileError            a file whose content is not what was saved
    ├── StorageError                a disk that is full, or cannot be written to
    ├── StatisticsMismatchError     statistics made for another model
    ├── NotFiniteError              NaN or infinity where a number should be
    └── MissingExtraError (also an ImportError)

    TextibaWarning (a UserWarning)
    ├── TruncationWarning           a text was cut at the model's length
    ├── SpecialTokenWarning         a text spells out one of the model's special tokens
    ├── FewTextsWarning           statistics rest on few texts
    ├── RepairWarning               a damaged part of a run was set aside
    └── FreshHeadWarning            a checkpoint without a head got a random one

Every message states the rule, what was received, and what to do about it.
"""


class TextibaError(Exception):
    """Any error that textiba raises on purpose."""


class InputError(TextibaError, ValueError):
    """The caller's input cannot be used."""


class EmptyTextError(InputError):
    """A text is empty, or has no token besides the special ones."""


class LayerError(InputError):
    """A layer index lies outside `0 … number of layers`."""


class TargetError(InputError):
    """A target class lies outside `0 … number of labels − 1`."""


class SettingError(InputError):
    """A setting has a value out of its range, or a name that does not exist."""


class CheckpointError(TextibaError):
    """A checkpoint cannot be loaded."""


class NotACheckpointError(CheckpointError):
    """The folder or hub id does not hold a sequence classifier in safetensors."""


class HubUnavailableError(CheckpointError):
    """The model hub is out of reach and the files are not cached."""


class UnsupportedModelError(CheckpointError):
    """The model cannot be split at its layers, or its head cannot be read; the message says why."""


class CorruptFileError(TextibaError):
    """A file is damaged: its hash, format or shapes differ from what was saved."""


class StorageError(TextibaError):
    """A result cannot be written: the disk is full, or read-only."""


class BusyFolderError(InputError):
    """Another process writes to the folder."""


class StatisticsMismatchError(TextibaError):
    """Feature statistics were estimated on another model."""


class NotFiniteError(TextibaError):
    """A model returned NaN or infinity."""


class MissingExtraError(TextibaError, ImportError):
    """An optional dependency is not installed."""


class TextibaWarning(UserWarning):
    """Any warning that textiba gives."""


class TruncationWarning(TextibaWarning):
    """A text was longer than the model accepts, and was cut."""


class SpecialTokenWarning(TextibaWarning):
    """A text spells out a special token, such as [SEP], which the model then reads as one."""


class FewTextsWarning(TextibaWarning):
    """Statistics were estimated on fewer texts than is advisable."""


class RepairWarning(TextibaWarning):
    """A damaged part of a run was set aside, and is computed again."""


class FreshHeadWarning(TextibaWarning):
    """A checkpoint has no classification head; a random one was made."""


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """The error for an absent optional dependency, with the command that brings it."""
    return MissingExtraError(f"{package} is needed here and not installed; run: pip install 'textiba[{extra}]'")

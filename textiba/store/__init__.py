"""Stores runs on disk, so that they survive a killed process, a full disk and a damaged file.

run/
manifest.json        settings, versions, seed, fingerprints, timings
attributions/        part-<process>-<number>.parquet; each is written whole or not at all, with the settings' hash
curves-….parquet     degradation curves, one file for each way of removal, if `textiba degrade` has run
"""

from textiba.store.check import Health, check, incomplete, repair
from textiba.store.files import appearing, claimed, read_rows, write_table, write_text, write_whole
from textiba.store.folder import Key, Numbers, RunFolder
from textiba.store.manifest import Manifest, versions
from textiba.store.rows import settings_key

__all__ = [
    "Health", "Key", "Manifest", "Numbers", "RunFolder", "appearing", "check", "claimed", "incomplete", "read_rows",
    "repair", "settings_key", "versions", "write_table", "write_text", "write_whole",
]  # fmt: skip

"""Runs on disk: they survive a kill, a full disk and a torn file.

run/
manifest.json        settings, versions, seed, fingerprints, timings
attributions/        part-<process>-<number>.parquet; each appears whole or not at all, and names the settings' hash
curves-….parquet     degradation curves by way of removal, where `textiba degrade` has run
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

"""Runs: methods over texts as a stream, and whole runs into folders."""

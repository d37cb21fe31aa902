"""The explorer: one HTML file with everything in it, to open, mail or archive; it asks the network for nothing."""

from textiba.report.exploration import Exploration, payload
from textiba.report.page import build_page, write_page

__all__ = ["Exploration", "build_page", "payload", "write_page"]

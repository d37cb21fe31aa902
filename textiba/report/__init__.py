"""The explorer: one HTML file that contains all data and scripts, and loads nothing from the network."""

from textiba.report.exploration import Exploration, Made, Removed
from textiba.report.folders import explore
from textiba.report.page import build_page, write_page
from textiba.report.payload import payload

__all__ = ["Exploration", "Made", "Removed", "build_page", "explore", "payload", "write_page"]

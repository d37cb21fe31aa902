"""Highlighted texts as a file: a page of HTML, or a picture."""

import html
from collections.abc import Sequence
from pathlib import Path

from textiba.attribution import Attribution
from textiba.show.scale import Scale
from textiba.store.output import suffix, write_html

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<body style="font-family: sans-serif; margin: 2em">
{body}
</body>
</html>
"""


def save_highlight(
    attributions: Sequence[Attribution],
    path: str | Path,
    scale: Scale | None = None,
    titles: Sequence[str] | None = None,
    heading: str = "textiba explain",
) -> Path:
    """Writes highlighted texts as .html, .png, .svg or .pdf; the path's ending decides. Returns the path.

    Args:
        attributions: the attributions to show; HTML shows the first 24.
        path: the file; its folder is made.
        scale: colour scale for all attributions; made from `attributions` when None.
        titles: one title for each attribution; made from the attributions when None.
        heading: the title of a page of HTML, as a browser's tab shows it.

    Raises:
        InputError: there are no attributions, the path has another ending, or the number of titles differs from the
            number of attributions.
        StorageError: the file cannot be written.
    """
    if suffix(path, ("html", "png", "svg", "pdf")) == "html":
        from textiba.show.highlight import highlight_html

        body = highlight_html(attributions, scale, titles)
        return write_html(path, _PAGE.format(title=html.escape(heading), body=body))
    from textiba.show.plots import plot_highlight, save

    return save(plot_highlight(attributions, scale, titles), path)

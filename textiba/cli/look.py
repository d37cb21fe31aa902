"""`textiba demo` and `textiba methods`: the demo, and the list of methods."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from textiba.cli.progress import progress
from textiba.cli.shared import Output, app, print_table, say
from textiba.cli.stop import again, keeping


@app.command()
def demo(output: Output = Path("demo")) -> None:
    """Makes figures and a page on the built-in reviews: bits, evidence, layers, β, degradation, two checkpoints."""
    from textiba.demo import run_demo
    from textiba.store.files import folder_place

    folder_place(output)
    with keeping(lambda: f"results so far are kept in {output}; go on with: {again()}"), progress("results") as advance:
        summary = run_demo(output, advance)
    print_table("Area between LeRF and MoRF (deletion; larger is better)", summary.areas)
    say("Figures and the page are in ", output, "; open ", summary.page)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="A method, to list its settings.")] = None,
) -> None:
    """Lists the methods with unit, sign, cost and requirements; or the settings of one method."""
    import textiba

    if name is not None:
        _settings(textiba.method(name))
        return
    rows = textiba.list_methods()
    print_table(
        "Methods (passes: forward + backward, for 100 tokens and 12 layers)",
        {
            "method": [row["name"] for row in rows],
            "unit": [row["unit"] for row in rows],
            "signed": ["yes" if row["signed"] else "no" for row in rows],
            "passes": ["{:g} + {:g}".format(*row["passes"]) for row in rows],
            "needs": [" ".join(_needs(row)) for row in rows],
        },
    )
    say("Settings of a method: textiba methods NAME. Use it: textiba explain -m NAME --set KEY=VALUE …")


def _needs(row: dict[str, Any]) -> list[str]:
    from textiba.runs.preflight import packages_of

    return [*(["statistics"] if row["statistics"] else []), *packages_of(row["name"], row["extra"])]


def _settings(method: Any) -> None:
    """Prints a method's description, and its settings with their defaults."""
    for paragraph in inspect.cleandoc(type(method).__doc__ or "").split("\n\n"):
        say(paragraph if paragraph.startswith("Attributes:") else " ".join(paragraph.split()))
        say("")
    fields = type(method).model_fields
    kinds = [str(inspect.formatannotation(field.annotation)).replace("typing.", "") for field in fields.values()]
    defaults = [str(getattr(method, name)) for name in fields]
    print_table(f"Settings of {method.name}", {"setting": list(fields), "default": defaults, "type": kinds})

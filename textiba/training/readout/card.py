"""The card of a trained readout network, as Markdown."""

from typing import Any

from textiba.information import NATS_PER_BIT
from textiba.show.summary import markdown_table


def as_markdown(card: dict[str, Any], title: str) -> str:
    """A card as Markdown: the network, its training, and its validation losses by layer."""
    recipe, best = card["recipe"], card["best"]
    texts = f"{card['train_texts']} training and {card['validation_texts']} validation texts"
    facts = {
        "reads": f"`{recipe['checkpoint']}`, hidden states {recipe['reads']}, at most {recipe['max_length']} tokens",
        "data": f"{recipe['data']}, {texts}",
        "β": f"{recipe['beta']:g} on the sum",
        "steps": f"{card['step']} steps of {recipe['batch_size']} texts; the best network is that after {best['step']}",
        "seconds": card["seconds"],
        "SHA-256": f"`{card['sha256']}` ({card['weights']})",
    }
    losses = [
        entropy + recipe["beta"] * bits * NATS_PER_BIT
        for entropy, bits in zip(best["cross_entropy"], best["bits"], strict=True)
    ]
    by_layer = {
        "layer": card["layers"],
        "validation loss (nats)": [f"{loss:.3f}" for loss in losses],
        "cross-entropy (nats)": [f"{entropy:.3f}" for entropy in best["cross_entropy"]],
        "bits per text": [f"{bits:.0f}" for bits in best["bits"]],
    }
    settings = " ".join(f"{k}={v}" for k, v in recipe.items())
    made = f"Made by `textiba readout train` with the recipe `{settings}`."
    tables = (markdown_table({"": list(facts), " ": list(facts.values())}), markdown_table(by_layer))
    return "\n\n".join([f"# {title}", *tables, made]) + "\n"

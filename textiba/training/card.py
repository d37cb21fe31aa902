"""The card of a trained readout network, for people."""

from typing import Any

from textiba.information import NATS_PER_BIT


def as_markdown(card: dict[str, Any], title: str) -> str:
    """A card as Markdown: what the network is, how it was made, and its validation losses by layer."""
    recipe, best = card["recipe"], card["best"]
    reviews = f"{card['train_reviews']} training and {card['validation_reviews']} validation reviews"
    facts = {
        "reads": f"`{recipe['checkpoint']}`, hidden states {recipe['reads']}, at most {recipe['max_length']} tokens",
        "data": f"{recipe['data']}, {reviews}",
        "β": f"{recipe['beta']:g} on the sum",
        "steps": f"{card['step']} of {recipe['batch_size']} reviews; the best after {best['step']}",
        "seconds": card["seconds"],
        "SHA-256": f"`{card['sha256']}` ({card['weights']})",
    }
    lines = [f"# {title}", "", "| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items()), ""]
    lines += ["| layer | validation loss (nats) | cross-entropy (nats) | bits a review |", "|---|---|---|---|"]
    for layer, entropy, bits in zip(card["layers"], best["cross_entropy"], best["bits"], strict=True):
        loss = entropy + recipe["beta"] * bits * NATS_PER_BIT
        lines.append(f"| {layer} | {loss:.3f} | {entropy:.3f} | {bits:.0f} |")
    settings = " ".join(f"{k}={v}" for k, v in recipe.items())
    return "\n".join([*lines, "", f"Made by `textiba readout train` with the recipe `{settings}`.", ""])

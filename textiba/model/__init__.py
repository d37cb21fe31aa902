"""A Hugging Face classifier that can be entered and left at any layer."""

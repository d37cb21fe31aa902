"""The study: a folder for each question, with its configs, its code and its results."""

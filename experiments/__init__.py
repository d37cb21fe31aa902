"""The study: a folder for each question, with its config, the code that answers it, and what was found."""

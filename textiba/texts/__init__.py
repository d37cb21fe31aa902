"""The input of the package: texts, data sources, tokenized texts and batches."""

"""What comes in: texts and data sources, tokenised texts, batches."""

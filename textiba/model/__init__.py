"""A Hugging Face model whose forward pass can be stopped at, and continued from, any layer."""

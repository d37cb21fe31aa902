"""The program that `python -m textiba`, `torchrun -m textiba` and `accelerate launch -m textiba` start."""

from textiba.cli import main

if __name__ == "__main__":
    main()

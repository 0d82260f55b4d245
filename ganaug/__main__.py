"""`python -m ganaug`, and what `torchrun -m ganaug` starts."""

from ganaug.cli import main

if __name__ == "__main__":
    main()

"""The speed that ganaug owes, each number beside a named peer or limit that is measured in the same run.

    python tests/bench cpu              (or `make bench`, which installs the peers first)
    python tests/bench gpu --resume     (or `make bench-gpu`: as much as fits into ten minutes; again to go on)

Results lie in recipes/results/bench-<device>. Every row is written down as soon as it is measured.
"""

from bench import app

app()

"""`python -m edgesoft`. Python puts the current folder first on the path for it, where a `numpy.py` or `json.py` may lie.

It is taken off before anything else is imported. What Python itself imports until then, and edgesoft, are still looked for there: the
command `edgesoft` and `python -P -m edgesoft` do not look there at all.
"""

import sys

if not sys.flags.safe_path and sys.argv[0] == __file__:  # else somebody else has set up the path
    del sys.path[0]

from edgesoft.cli import main

if __name__ == "__main__":
    main()

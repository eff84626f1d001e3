"""`python -m edgesoft`."""

from edgesoft.cli import main

if __name__ == "__main__":
    main()

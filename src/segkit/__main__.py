"""`python -m segkit` is `segkit`."""

from segkit.cli import main

if __name__ == "__main__":
    main()

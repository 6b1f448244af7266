"""`python -m effectd.cli`: the same as the script `effectd`."""

from effectd.cli import main

if __name__ == "__main__":
    main()

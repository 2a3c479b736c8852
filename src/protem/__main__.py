"""``python -m protem``: the command line, for when its script is not on the path."""

from protem.entrypoints.cli.main import main

if __name__ == "__main__":
    main()

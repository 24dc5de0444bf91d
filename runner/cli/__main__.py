"""``python -m runner.cli``: the console script where no script is at hand."""

from runner.cli.app import main

if __name__ == "__main__":
    main()

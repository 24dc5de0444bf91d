"""``python -m runner.cli.asyncapi`` prints the AsyncAPI document; ``schemas/asyncapi.yaml`` is its output."""

import sys

from runner.cli.asyncapi.document import text

if __name__ == "__main__":
    sys.stdout.write(text())

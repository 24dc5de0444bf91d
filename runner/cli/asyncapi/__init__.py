"""The AsyncAPI document of all topics, made from the code: ``python -m runner.cli.asyncapi`` prints it."""

"""What all tests share: the servers, and how hypothesis searches."""

from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures", "tests.running"]

# No time limit per example: cores are shared, and pytest-timeout bounds the test as a whole.
settings.register_profile("project", deadline=None, print_blob=True)
settings.load_profile("project")

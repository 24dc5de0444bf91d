"""``runner dev``: everything embedded, example tasks, and what happens to tasks as it comes.

``dev_command`` runs it; ``explanation`` says how to talk to it, ``examples`` starts tasks,
``happenings`` tells what becomes of them.
"""

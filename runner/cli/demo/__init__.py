"""``runner demo``: one purchase approval from start to end, on embedded servers, checked at the end.

``story`` says what happens, ``actors`` play it over nothing but the topics, ``checks`` says whether it was
right.
"""

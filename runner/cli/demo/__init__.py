"""``runner demo``: two sagas from start to end, on embedded servers, checked at the end.

``story`` says what happens, ``purchase`` and ``account`` are its acts, played by ``actors`` over nothing but
the topics; ``checks`` says whether it was right.
"""

"""``runner demo``: three sagas from start to end, on embedded servers, checked at the end.

``story`` says what happens; ``purchase``, ``account`` and ``refund`` are its acts, played by ``actors`` over
nothing but the topics; ``checks`` says whether it was right.
"""

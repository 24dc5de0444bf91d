"""``runner demo``: one purchase approval from start to end, on embedded servers, checked at the end.

``story`` says what happens, ``saga_engine`` is an engine that speaks nothing but the topics, ``people``
finish tasks, ``timeline`` prints what is seen on the topics, ``checks`` says whether it was right.
"""

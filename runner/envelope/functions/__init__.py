"""The functions of patterns: those of standard JMESPath, those beyond it, and those left out.

``table`` has them all by name; the other modules say what they do, one field each. All are total:
they give plain JSON, or ``Misuse`` says why not.
"""

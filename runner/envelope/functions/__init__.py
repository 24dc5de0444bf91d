"""The functions that patterns may call beyond standard JMESPath, and those that are left out.

``table`` has them all by name; the other modules say what they do, one field each. All are total:
they give plain JSON, or ``Misuse`` says why not.
"""

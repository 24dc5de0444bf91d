"""The sections of the configuration: names, types, ranges, defaults and meaning of every setting.

The types of single values stand in ``values``, rules across sections in ``cross_field_rules``. YAML keys are
the camelCase of the attributes. The JSON Schema is generated from these classes, and a test holds
``config/runner.yaml`` to their defaults and descriptions.
"""

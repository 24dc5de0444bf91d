"""Functions of patterns beyond standard JMESPath: a table of calls and one of refusals for each field."""

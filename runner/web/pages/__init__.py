"""Pages: what people see in a browser. The form of a task: its fields, what was posted, what is shown."""

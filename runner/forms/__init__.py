"""Forms: JSON Schema of answers, checked when it is defined and asked about answers and drafts."""

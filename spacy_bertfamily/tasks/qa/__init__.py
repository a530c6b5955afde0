"""The component `span_qa`."""

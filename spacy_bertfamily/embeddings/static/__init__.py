"""Static vectors: trained on raw text or read from a file, as a pipeline that spaCy initializes."""

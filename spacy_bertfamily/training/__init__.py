"""Training that can be interrupted and resumed, sampling, and logs."""

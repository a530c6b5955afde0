"""Windows in, hidden states out: one schedule for prediction and training."""

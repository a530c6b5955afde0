"""Other runtimes than torch, which compute the encoder in prediction: OpenVINO."""

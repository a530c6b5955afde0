"""Mix a transformer's hidden states with learned weights, or make a fixed choice of them."""

"""The component `weighted_layer_pooler`, which mixes hidden states once for several others."""

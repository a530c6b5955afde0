"""The component `weighted_layer_pooler`."""

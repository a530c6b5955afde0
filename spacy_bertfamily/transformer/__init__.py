"""The component `adapter_transformer`, and the layers that listen to it."""

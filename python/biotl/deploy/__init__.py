"""Export to ONNX and prediction without torch."""

"""Ask a model that takes raw samples, without biotl: onnxruntime and NumPy are all it needs.

python ask.py MODEL.onnx ECG=ecg.f32 PPG=ppg.f32

A file written by `biotl export --preprocess graph`, and of each channel the raw samples, float32, little-endian
at the rate and in the unit that the model names.
"""

import json
import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
for wanted in json.loads(about["io.biotl.inputs"]):
    print(f"{wanted['name']}: {wanted['fs']:g} Hz, {wanted['unit'] or 'any unit'}", file=sys.stderr)
labels = json.loads(about["io.biotl.labels"])
feed = {}
for word in sys.argv[2:]:
    name, path = word.split("=", 1)
    feed[name] = np.fromfile(path, "<f4")[None]
raw, probability, answer = session.run(None, feed)
for window, (p, best) in enumerate(zip(probability[0], answer[0], strict=True)):
    print(window, labels[best] if best >= 0 else "none", *(f"{of:.5f}" for of in p))

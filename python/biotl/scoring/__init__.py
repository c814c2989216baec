"""What the answers of models are worth: figures, their intervals over subjects, and the baselines beside them.

Torch-free, and NumPy only; scikit-learn is imported late, by the baselines that need it.
"""

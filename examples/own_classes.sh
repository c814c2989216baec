# A class for each CSV file.
set -eu
python "$(dirname "$0")/make_recordings.py" classes own_classes  # stands for your own recordings and manifest

biotl doctor window_class --run own_classes/run --set data.manifest=own_classes/manifest.csv --set data.column=conduction
biotl finetune window_class --run own_classes/run --set data.manifest=own_classes/manifest.csv --set data.column=conduction
biotl predict own_classes/run/model.onnx own_classes/s020.csv > own_classes/windows.csv
biotl evaluate own_classes/run/model.onnx --manifest own_classes/held.csv

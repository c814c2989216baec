# A number for each file: the heart rate of each CSV file.
set -eu
python "$(dirname "$0")/make_recordings.py" values own_values  # stands for your own recordings and manifest

biotl doctor value --run own_values/run --set data.manifest=own_values/manifest.csv --set data.column=heart_rate --set data.unit=bpm
biotl finetune value --run own_values/run --set data.manifest=own_values/manifest.csv --set data.column=heart_rate --set data.unit=bpm
biotl predict own_values/run/model.onnx own_values/s020.csv > own_values/windows.csv
biotl evaluate own_values/run/model.onnx --manifest own_values/held.csv

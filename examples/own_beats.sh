# The class of each beat, from annotations of your own extension (.man) in three classes of your own.
set -eu
python "$(dirname "$0")/make_recordings.py" beats own_beats  # stands for your own recordings and manifest

biotl recipes beats --copy own_beats/config.yaml
biotl doctor own_beats/config.yaml --run own_beats/run --set data.manifest=own_beats/manifest.csv --set data.split.by=split \
  --set data.annotator=man --set "data.classes={N: normal, L: normal, R: normal, A: atrial, V: ventricular, F: ventricular}"
biotl finetune own_beats/config.yaml --run own_beats/run --set data.manifest=own_beats/manifest.csv --set data.split.by=split \
  --set data.annotator=man --set "data.classes={N: normal, L: normal, R: normal, A: atrial, V: ventricular, F: ventricular}"
biotl predict own_beats/run/model.onnx own_beats/s020 > own_beats/beats.csv
biotl evaluate own_beats/run/model.onnx --manifest own_beats/held.csv

"""Train face encoders: distillation, triplets, additive-margin softmax. Needs `pip install -e '.[train]'`.

::

    python3 tools/train_model.py align  PEOPLE_FOLDER people.npz
    python3 tools/train_model.py refer  people.npz taught.npz --teacher other.tflite,size=160
    python3 tools/train_model.py distill --faces F.npz … --valid V.npz --start CKPT.npz --out RUN --minutes 75
    python3 tools/train_model.py triplet --faces people.npz --valid others.npz --out RUN
    python3 tools/train_model.py margin  --faces people.npz --valid others.npz --out RUN

The same call resumes a run that was stopped. `tools/build_model.py` turns RUN/best.npz into a TFLite file.
"""

import sys

from train.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Train FaceNet encoders: distillation, triplets, additive-margin softmax. Needs the extra `[train]`."""

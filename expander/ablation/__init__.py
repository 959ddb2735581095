"""Several runs at once on the same posts: the arms of an ablation, interleaved so that drift of an endpoint hits all alike."""

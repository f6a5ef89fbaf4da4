"""The training program: state, pure step, and the loop around them."""

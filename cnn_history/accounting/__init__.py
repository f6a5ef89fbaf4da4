"""What a network costs: shapes, parameters, multiply-adds, activations, receptive fields."""

from cnn_history.accounting.account import Account, Layer, account, trace

__all__ = ["Account", "Layer", "account", "trace"]

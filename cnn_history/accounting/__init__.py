"""The cost of a network: shapes, parameters, multiply-adds, activations, receptive fields.

>>> from cnn_history import accounting
>>> account = accounting.account("alexnet_2012")
>>> account.parameters, account.layers[0].name, account.layers[0].output
(60965224, 'conv1', (55, 55, 96))
"""

from cnn_history.accounting.account import Account, Layer, account, trace

__all__ = ["Account", "Layer", "account", "trace"]

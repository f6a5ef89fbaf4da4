import numpy as np

from cnn_history.studies import in_practice


def test_the_answer_is_made_of_the_numbers():
    rows = [{"rule": "Adam", "training_loss": 0.02, "test_error": 0.03}]
    adam = np.array([0.030, 0.031, 0.029, 0.030])
    words = {0.02: "lower test error than Adam", 0.04: "Adam has the lower", 0.03: "do not differ"}
    for error, said in words.items():
        noise = np.array([0.002, -0.002, 0.003, -0.003]) if error == 0.03 else 0
        errors = {"Adam": adam, "SGD, momentum, decay": np.full(4, error) + noise}
        found = in_practice.answer(rows, errors, passes=7)
        assert said in found
        assert "after 7 passes" in found
        assert "Adam 0.02 and 3.00%" in found

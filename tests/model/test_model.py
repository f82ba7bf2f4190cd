"""The mall against the model. The suite tells short stories; ``make soak`` many long ones (``tests/model/soak.py``)."""

from tests.cluster import Cluster
from tests.model.machine import stage
from tests.model.soak import tell


def test_the_mall_and_the_model_agree_after_every_step(cluster: Cluster) -> None:
    with stage(cluster):
        tell(seed=1, stories=6, length=30)

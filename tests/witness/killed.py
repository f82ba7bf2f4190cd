"""A process to be killed: a witness that is asked to cosign two trees at once, and says what it has answered."""

import sys
import threading
from pathlib import Path

from merchantry.witness.witness import Witness
from tests.witness.conftest import a_witness
from tests.witness.paper_log import Tree


def main(directory: Path) -> None:
    """Ask for ever; each cosigned head is a line of output, written at once."""
    witness = a_witness(directory, "killed.example/witness")
    with witness.store.reading() as store:
        latest = store.latest("mall.example/log")
    begin = latest.checkpoint.size if latest else 0
    trees = (Tree.of(begin + 400), Tree.of(begin + 400, "b"))
    threads = [threading.Thread(target=ask, args=(witness, tree, begin)) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ask(witness: Witness, tree: Tree, begin: int) -> None:
    """Every size after ``begin``, from whatever the witness has."""
    old = begin
    for size in range(begin + 1, len(tree.leaves) + 1):
        for _ in range(3):
            answer = witness.add_checkpoint(tree.asked(old, size).body.encode())
            if answer.status == 200:
                old = size
                line = f"{size} {tree.checkpoint(size).root.hex()}\n"
                sys.stdout.write(line)
                sys.stdout.flush()
                break
            if answer.status != 409 or int(answer.text) > size:
                break
            old = int(answer.text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What is measured of each peer in a round."""

from functools import partial

from tests.bench.peers import measure
from tests.bench.peers.peer import PEERS
from tests.bench.rounds import Cell

KILL_ROUNDS = 2
"""A kill takes its patience where tasks do not come back; it says the same each time."""


def cells():
    """All cells of all peers."""
    return [cell for peer in PEERS for cell in cells_of(peer)]


def cells_of(peer):
    for slots in peer.slots:
        yield Cell(f"{peer.name}-{slots}", partial(_drain, peer, slots))
    yield Cell(f"{peer.name}-idle", partial(_idle, peer))
    yield Cell(f"{peer.name}-killed", partial(_killed, peer), KILL_ROUNDS)


def _drain(peer, slots, sizes):
    return measure.drain(peer, slots, sizes.tasks)


def _idle(peer, sizes):
    return measure.idle(peer, min(peer.slots[0], measure.SLOTS), sizes.pickups)


def _killed(peer, sizes):
    return measure.killed(peer, min(peer.slots[0], measure.SLOTS), sizes.kills, sizes.patience)
